//! What is journalled of calls that are live when the recorder ends.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// Ends a recorder that has two live calls while its turn is held up at the write of the second, and after the first was written.
/// Meanwhile the disk is as `meanwhile` has it.
fn ended_in_a_slow_turn(disk: &FaultyDisk, before: Faults, meanwhile: Faults) {
    let (recorder, shared) = recorder_on(disk);
    let calls = ["CA1", "CA2"].map(|call| Arc::new(recorder.start_call(CallOptions::new(call)).unwrap()));
    calls.iter().for_each(|call| speak(call, 0..50));
    Journalling::default().turn(&shared);
    calls.iter().for_each(|call| speak(call, 50..60));
    disk.set_faults(before);
    let operations = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&operations);
    let (spoken, end, of_end) = (Arc::clone(&calls[0]), recorder.clone(), Arc::clone(&shared));
    let faulty = disk.clone();
    disk.set_between(move || {
        if counted.fetch_add(1, Ordering::AcqRel) == 1 {
            speak(&spoken, 60..260);
            of_end.stop();
            assert_eq!(end.shutdown(Duration::ZERO), 2);
            faulty.set_faults(meanwhile.clone());
        }
    });
    write_journals(&shared);
    assert!(operations.load(Ordering::Acquire) > 2);
    disk.clear_meanwhile();
}

/// How the first call ended, and how many frames there are of it at the next start.
fn next_start(disk: &FaultyDisk) -> (EndReason, u64) {
    disk.keep_moments();
    let left = disk.take_moments().pop().unwrap().after_kill();
    let (recorder, shared) = recorder_on(&left);
    recorder.recover().unwrap();
    let stream = recorder.files("CA1").unwrap().details.streams.remove(0);
    shared.abandon();
    use_clock_of(None);
    (stream.ended, stream.completeness.caller.frames)
}

#[test]
fn what_came_while_a_turn_was_held_up_is_journalled_though_the_recorder_is_told_to_end() {
    let disk = FaultyDisk::default();
    ended_in_a_slow_turn(&disk, Faults::none(), Faults::none());
    assert_eq!(next_start(&disk), (EndReason::Shutdown, 260));
}

#[test]
fn what_the_disk_refused_is_tried_once_more_at_the_end() {
    let disk = FaultyDisk::default();
    ended_in_a_slow_turn(&disk, Faults::refusing(&[Operation::Write(What::Journal)]), Faults::none());
    assert_eq!(next_start(&disk), (EndReason::Shutdown, 260));
}
