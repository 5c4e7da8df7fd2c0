//! The journal of a live call that is damaged before its take has read it, through a recorder.

use std::path::Path;
use std::time::Duration;

use callrec_faulty_disk::FaultyDisk;
use callrec_session::EndReason;

use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::options::CallOptions;
use crate::simulated::{LIMITS, recorder_on, settings, speak, work};

#[test]
fn a_live_journal_that_is_damaged_in_its_middle_is_recorded_but_for_that_and_kept_for_a_person() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut journalling = Journalling::default();
    let journals =
        |end: &str| disk.files().into_iter().filter(|(path, _)| path.ends_with(end)).collect::<Vec<_>>();
    let lengths = [0, 50, 100].map(|from: u64| {
        speak(&call, from..from + 50);
        journalling.turn(&shared);
        journals(".journal")[0].1.len()
    });
    // In the first record behind the first second; there are two seconds behind that place, and no take was made yet.
    let path = journals(".journal").remove(0).0;
    disk.damage(Path::new(&path), lengths[0] + 40);
    let finishing = call.finish(EndReason::Finished);
    journalling.turn(&shared);
    work(&shared);

    let files = finishing.wait_timeout(Duration::ZERO).unwrap().unwrap();
    let stream = &files.details.streams[0];
    let file = stream.audio.file().expect("what is before and behind it is recorded");
    assert_eq!((file.duration_ms, stream.duration_ms), (3_000, 3_000));
    let lost = &stream.completeness;
    assert!((160..200).contains(&lost.damaged_bytes) && lost.torn_bytes == 0, "{lost:?}");
    assert!(!lost.is_complete() && lost.caller.lost_ms == 20, "{lost:?}");
    let kept = journals(".journal.bad");
    assert!(kept.len() == 1 && kept[0].1.len() >= lengths[2], "all of it is kept for a person");
    assert!(journals(".journal").is_empty() && !shared.health().left_in_journals);
    use_clock_of(None);
}
