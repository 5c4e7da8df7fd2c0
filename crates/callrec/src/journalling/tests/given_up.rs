//! Calls that are given up, though they have a journal.

use callrec_encode::Format;
use callrec_session::{DropKind, Event, Speaker};
use callrec_summary::{AudioOutcome, StreamSummary};

use super::*;
use crate::call::Call;
use crate::live::Outcome;
use crate::recovery::recover_or_tell;
use crate::simulated::work;

/// A recorder without threads for WAV, whose calls may hold so little together that some of what they say finds no room while the disk
/// refuses.
fn recorder_with_little_memory(disk: &FaultyDisk) -> (Recorder, Arc<Shared>) {
    let limits = Limits { waiting_bytes: 100_000, ..LIMITS };
    simulated::recorder_on(disk, Settings::default().with_format(Format::Wav), limits)
}

/// The same, and a call that has said something for a second, which is in its journal.
fn begun_with_little_memory(disk: &FaultyDisk) -> (Recorder, Arc<Shared>, Call, Journalling) {
    let (recorder, shared) = recorder_with_little_memory(disk);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut journalling = Journalling::default();
    speak(&call, 0..50);
    journalling.turn(&shared);
    (recorder, shared, call, journalling)
}

#[test]
fn of_a_call_that_the_disk_refuses_to_its_end_the_summary_tells_all_that_found_no_room() {
    let disk = FaultyDisk::default();
    let (_recorder, shared, call, mut journalling) = begun_with_little_memory(&disk);
    disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal)]));
    for second in 1..60 {
        speak(&call, second * 50..(second + 1) * 50);
        journalling.turn(&shared);
        disk.pass(1_000_000);
    }
    let finishing = call.finish(EndReason::Finished);
    let told = settled(&shared, &mut journalling, &finishing);
    let stream = told.unwrap().details.streams[0].clone();
    let lost = &stream.completeness;
    assert_eq!((stream.duration_ms, shared.health().refused.events_memory_full), (1_000, lost.dropped.audio));
    // What waited when the call was given up has at least 160 bytes a frame.
    let waited = lost.unjournalled_bytes / 160;
    assert!(lost.dropped.audio + waited >= 59 * 50 && lost.dropped.audio < 59 * 50, "{lost:?}");
    use_clock_of(None);
}

#[test]
fn of_a_call_that_ends_on_a_full_disk_its_summary_tells_what_is_missing_when_there_is_room() {
    let disk = FaultyDisk::default();
    let (recorder, shared, call, mut journalling) = begun_with_little_memory(&disk);
    disk.set_faults(Faults::full());
    for second in 1..60 {
        speak(&call, second * 50..(second + 1) * 50);
        journalling.turn(&shared);
        disk.pass(1_000_000);
    }
    let finishing = call.finish(EndReason::Finished);
    assert!(settled(&shared, &mut journalling, &finishing).is_err());
    assert!(recorder.files("CA1").is_none(), "the disk takes no summary either");
    // In vain, and then for real.
    recover_or_tell(&shared);
    disk.set_faults(Faults::none());
    assert_eq!(recover_or_tell(&shared).finished, 1);
    let stream = recorder.files("CA1").unwrap().details.streams[0].clone();
    let lost = &stream.completeness;
    assert_eq!((stream.duration_ms, stream.ended), (1_000, EndReason::Finished));
    assert!(stream.audio.file().is_some() && !lost.is_complete());
    let waited = lost.unjournalled_bytes / 160;
    assert!(lost.dropped.audio + waited >= 59 * 50 && lost.dropped.audio < 59 * 50, "{lost:?}");
    use_clock_of(None);
}

/// A call that says more than finds room, of which the journal has the first second, and which ends while the disk refuses all but
/// that.
fn given_up_with_drops(
    disk: &FaultyDisk,
    recorder: &Recorder,
    shared: &Shared,
    refused: &[Operation],
) -> Outcome {
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut journalling = Journalling::default();
    speak(&call, 0..50);
    call.said(Speaker::Caller, "this is in the journal");
    call.handle(&Event::Dropped { what: DropKind::Parameter, count: 2 });
    journalling.turn(shared);
    speak(&call, 50..2_000);
    // Records tell of these, and will never be in the journal.
    call.handle(&Event::Dropped { what: DropKind::UnknownMessage, count: 3 });
    disk.set_faults(Faults::refusing(refused));
    journalling.turn(shared);
    call.handle(&Event::Dropped { what: DropKind::Timestamp, count: 5 });
    speak(&call, 2_000..3_000);
    let finishing = call.finish(EndReason::Finished);
    settled(shared, &mut journalling, &finishing)
}

/// Holds a summary against all that was refused of such a call, and dropped.
fn check_all_is_told(stream: &StreamSummary, shared: &Shared, of: &str) {
    let lost = &stream.completeness;
    assert_eq!(stream.ended, EndReason::Finished, "{of}");
    assert_eq!(lost.dropped.audio, shared.health().refused.events_memory_full, "{of}");
    assert_eq!((lost.dropped.unknown_messages, lost.dropped.timestamps), (3, 5), "{of}");
    // The journal tells of these, as of the line, if it can be read.
    assert_eq!(lost.dropped.parameters, 2 * stream.lines.len() as u64, "{of}");
    // What waited when the call was given up has at least 160 bytes a frame.
    let waited = lost.unjournalled_bytes / 160;
    assert!(lost.dropped.audio + waited >= 59 * 50 && waited < 59 * 50, "{of}: {lost:?}");
}

#[test]
fn drops_that_are_given_up_with_the_records_that_tell_of_them_are_in_the_summary() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_with_little_memory(&disk);
    let told = given_up_with_drops(&disk, &recorder, &shared, &[Operation::Write(What::Journal)]);
    let stream = told.unwrap().details.streams[0].clone();
    assert_eq!((stream.duration_ms, stream.lines.len(), stream.audio.file().is_some()), (1_000, 1, true));
    check_all_is_told(&stream, &shared, "a call that is given up");
    use_clock_of(None);
}

#[test]
fn what_no_journal_tells_of_a_call_is_in_its_summary_until_its_recording_is_made_and_then_too() {
    let write = Operation::Write(What::Journal);
    for refused in [
        &[write, Operation::Write(What::Partial)][..],
        &[write, Operation::Cut(What::Journal)],
        &[write, Operation::RenameToFree(What::Recording)],
        // Not even what was said can be told then.
        &[write, Operation::Read(What::Journal)],
    ] {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_with_little_memory(&disk);
        let of = format!("{refused:?}");
        let told = given_up_with_drops(&disk, &recorder, &shared, refused);
        assert!(told.unwrap_err().to_string().contains("tried again"), "{of}");
        let stream = || recorder.files("CA1").unwrap().details.streams[0].clone();
        assert!(matches!(stream().audio, AudioOutcome::NotSaved { .. }), "{of}");
        assert_eq!(stream().lines.len(), usize::from(!refused.contains(&Operation::Read(What::Journal))));
        check_all_is_told(&stream(), &shared, &of);

        // Once more in vain, by the thread that tries again, and then not.
        let partial = [Operation::Write(What::Partial)];
        for (faults, is_saved) in [(Faults::refusing(&partial), false), (Faults::none(), true)] {
            disk.set_faults(faults);
            recover_or_tell(&shared);
            assert_eq!(stream().audio.file().is_some(), is_saved, "{of}");
            assert!(stream().recovered && stream().lines.len() == 1, "{of}");
            check_all_is_told(&stream(), &shared, &of);
        }
        assert!(journals(&disk).is_empty(), "{of}");
        use_clock_of(None);
    }
}

#[test]
fn a_call_whose_audio_was_given_up_is_not_one_without_audio_when_its_journal_is_taken_again() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_with_little_memory(&disk);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let mut journalling = Journalling::default();
    journalling.turn(&shared);
    speak(&call, 0..50);
    let refused = [Operation::Write(What::Journal), Operation::Read(What::Journal)];
    disk.set_faults(Faults::refusing(&refused));
    let told = settled(&shared, &mut journalling, &call.finish(EndReason::Stopped));
    assert!(told.is_err() && journals(&disk).len() == 1);
    disk.set_faults(Faults::none());
    recover_or_tell(&shared);
    let files = recorder.files("CA1").unwrap();
    let stream = &files.details.streams[0];
    assert!(stream.recovered && stream.completeness.unjournalled_bytes > 50 * 160);
    let AudioOutcome::NotSaved { reason } = &stream.audio else { panic!("{:?}", stream.audio) };
    assert!(!reason.contains("journal"), "{reason}");
    assert!(!files.is_saved() && journals(&disk).is_empty());
    use_clock_of(None);
}

#[test]
fn what_a_disk_that_refused_had_taken_in_part_is_lost_as_it_is_told_though_the_journal_is_left() {
    let disk = FaultyDisk::default();
    let (recorder, shared, call, mut journalling) = begun_with_little_memory(&disk);
    let whole = journals(&disk);
    speak(&call, 50..250);
    disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal), Operation::Cut(What::Journal)]));
    let finishing = call.finish(EndReason::Finished);
    for _ in 0..100 {
        journalling.turn(&shared);
    }
    assert!(journals(&disk)[0].1.len() > whole[0].1.len() + 1_000, "a part of it is there");

    disk.set_faults(Faults::refusing(&[Operation::Write(What::Partial)]));
    work(&shared);
    assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_err());
    assert!(journals(&disk) == whole && shared.health().left_in_journals);
    let stream = || recorder.files("CA1").unwrap().details.streams[0].clone();
    let told = stream();
    assert!(told.completeness.unjournalled_bytes > 200 * 160, "{:?}", told.completeness);
    disk.set_faults(Faults::none());
    recover_or_tell(&shared);
    let recorded = stream();
    assert_eq!((recorded.duration_ms, recorded.completeness), (1_000, told.completeness));
    use_clock_of(None);
}
