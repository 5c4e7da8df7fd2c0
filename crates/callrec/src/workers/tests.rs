//! How long a slice is.

use callrec_faulty_disk::FaultyDisk;

use super::*;
use crate::clock::simulated::use_clock_of;

/// How many steps a slice has, if each takes so long.
fn steps_of(us: u64) -> usize {
    let disk = FaultyDisk::default();
    use_clock_of(Some(disk.clone()));
    let mut steps = 0;
    let progress = slice_of(|| {
        steps += 1;
        disk.pass(us);
        Ok(Progress::More)
    });
    use_clock_of(None);
    assert_eq!(progress.unwrap(), Progress::More);
    steps
}

#[test]
fn a_slice_is_over_after_2000_records_and_after_50_ms_however_few_they_were() {
    assert_eq!(steps_of(0), 500);
    assert_eq!(steps_of(99), 500, "they took less than 50 ms");
    assert_eq!(steps_of(10_000), 5);
    assert_eq!(steps_of(3_000_000), 1, "more than none");
}
