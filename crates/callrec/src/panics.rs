//! Panics that are no encoder's, in whatever makes files of a journal: nobody waits for ever, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_session::{EndReason, Speaker};

use crate::call::Call;
use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::options::CallOptions;
use crate::recorder::Recorder;
use crate::recovery::{Recovery, recover};
use crate::shared::Shared;
use crate::simulated::{LIMITS, recorder_on, settings, settled, speak, work};

/// Whether there is a file with this in its path.
fn has(disk: &FaultyDisk, part: &str) -> bool {
    disk.files().iter().any(|(path, _)| path.contains(part))
}

/// So many of the disk's next operations panic for which this is so; tells how many are still to come.
fn panic_when(
    disk: &FaultyDisk,
    times: u32,
    is_so: impl Fn() -> bool + Send + Sync + 'static,
) -> Arc<AtomicU32> {
    let to_come = Arc::new(AtomicU32::new(times));
    let counts = Arc::clone(&to_come);
    disk.set_between(move || {
        let one_less = |left: u32| left.checked_sub(1).filter(|_| is_so());
        if counts.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok() {
            panic!("something of a call");
        }
    });
    to_come
}

/// The same for operations while there is a file of this name.
fn panic_with(disk: &FaultyDisk, name: &'static str, times: u32) -> Arc<AtomicU32> {
    let looks = disk.clone();
    panic_when(disk, times, move || has(&looks, name))
}

/// A call that has said something for a second.
fn begun(recorder: &Recorder, call: &str) -> Call {
    let call = recorder.start_call(CallOptions::new(call)).unwrap();
    speak(&call, 0..50);
    call.said(Speaker::Caller, "a line");
    call
}

/// Whether all of such a call is there.
fn check_is_saved(disk: &FaultyDisk, recorder: &Recorder, shared: &Shared) {
    let files = recorder.files("CA1").unwrap();
    let stream = &files.details.streams[0];
    assert!(files.is_saved() && stream.completeness.is_complete() && stream.lines.len() == 1);
    assert_eq!((stream.duration_ms, files.recordings.len()), (1_000, 1));
    assert!(!has(disk, ".journal/CA1") && !shared.health().left_in_journals);
    assert_eq!(shared.unfinished(), 0);
}

#[test]
fn a_call_whose_files_a_panic_kept_from_being_made_is_settled_and_they_are_made_later() {
    // Before anything is read of it, then too when that is to be told, and when a recording has its name.
    for (name, times) in [(".journal/CA1", 1), (".journal/CA1", 1_000), ("_conversation", 1)] {
        let (of, disk) = (format!("{times} with {name}"), FaultyDisk::default());
        let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
        let finishing = begun(&recorder, "CA1").finish(EndReason::Stopped);
        Journalling::default().turn(&shared);
        let to_come = panic_with(&disk, name, times);
        work(&shared);
        disk.clear_meanwhile();
        assert!(to_come.load(Ordering::Acquire) < times, "{of}");
        let told = finishing.wait_timeout(Duration::ZERO).expect("nobody waits for ever");
        let told = told.unwrap_err().to_string();
        assert!(told.contains("unexpectedly") && told.contains("tried again"), "{of}: {told}");
        assert!(!told.contains("something of a call"), "{of}: {told}");
        assert!(shared.health().left_in_journals && shared.unfinished() == 0, "{of}");
        assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, ..Recovery::default() }, "{of}");
        check_is_saved(&disk, &recorder, &shared);
    }
    use_clock_of(None);
}

#[test]
fn what_found_no_room_of_a_call_is_told_though_a_panic_kept_its_files_from_being_made() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
    let (call, mut journalling) = (begun(&recorder, "CA1"), Journalling::default());
    journalling.turn(&shared);
    speak(&call, 50..100);
    disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal)]));
    panic_with(&disk, "_conversation", 1);
    settled(&shared, &mut journalling, &call.finish(EndReason::Stopped)).unwrap_err();
    disk.clear_meanwhile();
    disk.set_faults(Faults::none());
    assert_eq!(recover(&shared).unwrap().finished, 1);
    let stream = recorder.files("CA1").unwrap().details.streams[0].clone();
    assert_eq!((stream.duration_ms, stream.ended), (1_000, EndReason::Stopped));
    assert!(stream.completeness.unjournalled_bytes > 50 * 160, "{:?}", stream.completeness);
    use_clock_of(None);
}

#[test]
fn a_live_call_whose_work_a_panic_ended_goes_on_and_is_recorded() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
    let (call, mut journalling) = (begun(&recorder, "CA1"), Journalling::default());
    journalling.turn(&shared);
    let to_come = panic_with(&disk, ".journal/CA1", 1);
    shared.schedule(&shared.live_calls()[0]);
    work(&shared);
    disk.clear_meanwhile();
    assert!(to_come.load(Ordering::Acquire) == 0 && shared.unfinished() == 1, "it goes on");
    let told = settled(&shared, &mut journalling, &call.finish(EndReason::Stopped));
    assert!(told.unwrap().is_saved());
    check_is_saved(&disk, &recorder, &shared);
    use_clock_of(None);
}

#[test]
fn a_recovery_in_which_something_panics_goes_on_with_the_next_and_tries_it_again() {
    // When the first is looked at, and when its recording has its name.
    for is_published in [false, true] {
        let disk = FaultyDisk::default();
        let (other, its) = recorder_on(&disk, settings(), LIMITS);
        let calls = ["CA1", "CA2"].map(|call| begun(&other, call));
        Journalling::default().turn(&its);
        its.abandon();
        drop((calls, other, its));
        let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
        let (looks, sees) = (disk.clone(), Arc::clone(&shared));
        let to_come = panic_when(&disk, 1, move || match is_published {
            true => has(&looks, "call_CA1_conversation"),
            false => sees.recoveries_waiting.load(Ordering::Acquire) == 2,
        });
        assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, failed: 1, owned: 0 });
        assert!(to_come.load(Ordering::Acquire) == 0 && !shared.health().recovering);
        disk.clear_meanwhile();
        assert!(recorder.files("CA2").unwrap().is_saved() && shared.health().left_in_journals);
        assert_eq!(recover(&shared).unwrap(), Recovery { finished: 1, ..Recovery::default() });
        check_is_saved(&disk, &recorder, &shared);
    }
    use_clock_of(None);
}
