use std::collections::BTreeSet;
use std::sync::Arc;

use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_session::{DropKind, EndReason, Event, Speaker};
use callrec_store::FreeJournal;
use callrec_summary::LocalTime;

use super::*;
use crate::again::try_again;
use crate::clock::simulated::use_clock_of;
use crate::journalling::Journalling;
use crate::live::Outcome;
use crate::recorder::Recorder;
use crate::recovery::{recover_or_tell, stand_back};
use crate::shared::Limits;
use crate::simulated::{self, LIMITS, settings, settled, speak, work};
use crate::status::CallFiles;
use crate::{Call, CallOptions};

/// A full disk: nothing can be written but what is there.
const FULL: [Operation; 1] = [Operation::Write(What::Temporary)];
/// One that takes everything but the name of a journal.
const NO_JOURNAL: [Operation; 1] = [Operation::RenameToFree(What::Journal)];

/// A recorder without threads, for so many calls, which may hold little while they wait for the disk.
fn recorder_on(disk: &FaultyDisk, calls: usize) -> (Recorder, Arc<Shared>) {
    let limits = Limits { calls, waiting_bytes: 100_000, ..LIMITS };
    simulated::recorder_on(disk, settings(), limits)
}

/// Ends a call, and tells what its future gives when the threads have done what they can.
fn end(shared: &Shared, journalling: &mut Journalling, call: Call) -> Outcome {
    settled(shared, journalling, &call.finish(EndReason::Stopped))
}

/// A minute of which no journal can be made, as the disk refuses this.
fn a_minute_refused(disk: &FaultyDisk, recorder: &Recorder, shared: &Shared, refused: &[Operation]) {
    disk.set_faults(Faults::refusing(refused));
    let call = recorder.start_call(CallOptions::new("CA1").stream("MZ1")).unwrap();
    let mut journalling = Journalling::default();
    call.handle(&Event::Dropped { what: DropKind::UnknownMessage, count: 3 });
    for second in 0..60 {
        speak(&call, second * 50..(second + 1) * 50);
        disk.pass(1_000_000);
        journalling.turn(shared);
    }
    let told = end(shared, &mut journalling, call).unwrap_err().to_string();
    assert!(told.contains("nothing of it could be written"), "{told}");
    assert_eq!(recorder.health().live + recorder.health().finishing, 0);
}

/// Holds a summary against all that is known of such a call.
fn check(files: &CallFiles, shared: &Shared) {
    let stream = &files.details.streams[0];
    let AudioOutcome::NotSaved { reason } = &stream.audio else { panic!("{:?}", stream.audio) };
    assert!(reason.contains("nothing of it could be written"), "{reason}");
    assert_eq!((stream.number, stream.stream.as_str(), stream.recovered), (1, "MZ1", false));
    assert_eq!((stream.ended, stream.duration_ms), (EndReason::Stopped, 60_000));
    let lost = &stream.completeness;
    assert_eq!(lost.dropped.unknown_messages, 3);
    assert_eq!(lost.dropped.audio, shared.health().refused.events_memory_full);
    // What waited when the call was given up has at least 160 bytes a frame.
    let waited = lost.unjournalled_bytes / 160;
    assert!(lost.dropped.audio + waited >= 3_000 && (1..3_000).contains(&waited), "{lost:?}");
}

fn texts(disk: &FaultyDisk) -> usize {
    disk.files().iter().filter(|(path, _)| path.ends_with(".txt") || path.ends_with(".json")).count()
}

#[test]
fn a_call_of_which_no_journal_could_be_made_is_told_of_at_once_where_the_disk_takes_its_summary() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    a_minute_refused(&disk, &recorder, &shared, &NO_JOURNAL);
    check(&recorder.files("CA1").unwrap(), &shared);
    assert!(texts(&disk) == 3 && !shared.unjournalled.is_any());
    use_clock_of(None);
}

#[test]
fn a_call_of_which_nothing_could_be_written_is_told_of_when_the_disk_has_room_again_and_no_start_is_needed() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    a_minute_refused(&disk, &recorder, &shared, &FULL);
    assert!(texts(&disk) == 0 && shared.unjournalled.is_any());
    assert!(!shared.health().left_in_journals, "there is no journal");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use_clock_of(Some(disk.clone()));
            try_again(&shared);
        });
        for waited in 0..400 {
            disk.pass(10_000_000);
            std::thread::sleep(Duration::from_millis(25));
            if waited == 50 {
                assert!(texts(&disk) == 0 && shared.unjournalled.is_any(), "it is tried in vain");
                disk.set_faults(Faults::none());
            }
            if texts(&disk) == 3 {
                break;
            }
        }
        shared.abandon();
        shared.stop();
    });
    check(&recorder.files("CA1").unwrap(), &shared);
    assert!(texts(&disk) == 3 && !shared.unjournalled.is_any());
    use_clock_of(None);
}

#[test]
fn who_recovers_tells_of_such_calls_too_and_one_that_ends_tries_once_more() {
    for by_hand in [true, false] {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, 10);
        a_minute_refused(&disk, &recorder, &shared, &FULL);
        disk.set_faults(Faults::none());
        if by_hand {
            recover_or_tell(&shared);
        } else {
            drop(recorder);
        }
        assert!(texts(&disk) == 3 && !shared.unjournalled.is_any());
        check(&CallFiles::read(&shared.dir, &CallId::new("CA1").unwrap()).unwrap(), &shared);
        use_clock_of(None);
    }
}

#[test]
fn they_are_told_of_while_a_long_recording_is_being_recovered() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    a_minute_refused(&disk, &recorder, &shared, &FULL);
    disk.set_faults(Faults::none());
    assert!(stand_back(&shared) && texts(&disk) == 0, "between two slices, at first");
    disk.pass(1_000_000);
    assert!(stand_back(&shared) && texts(&disk) == 3, "a second later");
    check(&recorder.files("CA1").unwrap(), &shared);
    use_clock_of(None);
}

#[test]
fn the_end_waits_for_no_summary_that_the_disk_refuses_nor_for_any_when_it_is_to_be_at_once() {
    for (at_once, refused) in [(false, true), (true, false)] {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, 10);
        a_minute_refused(&disk, &recorder, &shared, &FULL);
        if !refused {
            disk.set_faults(Faults::none());
        }
        if at_once {
            shared.abandon();
        }
        drop(recorder);
        assert!(texts(&disk) == 0 && !shared.unjournalled.is_any(), "it is given up");
        use_clock_of(None);
    }
}

#[test]
fn its_number_is_that_of_no_other_stream_whether_of_a_summary_a_journal_or_a_recording() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    let mut journalling = Journalling::default();
    let begin = |stream: &str| {
        let call = recorder.start_call(CallOptions::new("CA1").stream(stream)).unwrap();
        speak(&call, 0..50);
        call
    };
    let first = begin("first");
    assert!(end(&shared, &mut journalling, first).unwrap().is_saved());
    let second = begin("second");
    journalling.turn(&shared);
    // A recording of which nobody knows.
    shared.dir.create_partial(&CallId::new("CA1").unwrap(), 3, "wav").unwrap().publish().unwrap();
    disk.set_faults(Faults::refusing(&NO_JOURNAL));
    assert!(end(&shared, &mut journalling, begin("refused")).is_err());
    disk.set_faults(Faults::none());
    assert!(end(&shared, &mut journalling, second).is_ok());
    let fifth = begin("fifth");
    assert!(end(&shared, &mut journalling, fifth).is_ok());
    let streams = recorder.files("CA1").unwrap().details.streams;
    let found: Vec<_> = streams
        .iter()
        .map(|stream| (stream.number, stream.stream.as_str(), stream.audio.file().is_some()))
        .collect();
    assert_eq!(found, [(1, "first", true), (2, "second", true), (4, "refused", false), (5, "fifth", true)]);
    use_clock_of(None);
}

#[test]
fn a_crash_while_a_summary_tells_of_such_a_call_leaves_no_texts_that_contradict_each_other() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    let mut journalling = Journalling::default();
    let first = recorder.start_call(CallOptions::new("CA1").stream("first")).unwrap();
    first.said_at(0, Speaker::Caller, "it is there");
    speak(&first, 0..50);
    assert!(end(&shared, &mut journalling, first).unwrap().is_saved());
    disk.set_faults(Faults::refusing(&NO_JOURNAL));
    let second = recorder.start_call(CallOptions::new("CA1").stream("second")).unwrap();
    speak(&second, 0..50);
    disk.keep_moments();
    assert!(end(&shared, &mut journalling, second).is_err());
    let moments = disk.take_moments();
    let mut streams = BTreeSet::new();
    for left in moments.iter().flat_map(|moment| [moment.after_kill(), moment.all_that_is_safe()]) {
        let (recorder, shared) = recorder_on(&left, 10);
        recover_or_tell(&shared);
        let summary = recorder.files("CA1").unwrap().details;
        streams.insert(summary.streams.len());
        let files = left.files();
        for (name, text) in [
            ("call_CA1.txt", callrec_summary::transcript_text(&summary)),
            ("call_CA1_summary.txt", callrec_summary::summary_text(&summary)),
        ] {
            let (_, found) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
            assert_eq!(String::from_utf8_lossy(found), text);
        }
        assert!(!files.iter().any(|(path, _)| path.ends_with(".texts")));
    }
    assert_eq!(streams, BTreeSet::from([1, 2]));
    use_clock_of(None);
}

#[test]
fn a_summary_that_is_written_and_was_said_not_to_be_has_the_stream_once() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, 10);
    let unsure = [NO_JOURNAL[0], Operation::SyncDirectory(What::SummaryJson)];
    a_minute_refused(&disk, &recorder, &shared, &unsure);
    assert!(texts(&disk) == 3 && shared.unjournalled.is_any());
    disk.set_faults(Faults::none());
    recover_or_tell(&shared);
    let files = recorder.files("CA1").unwrap();
    check(&files, &shared);
    assert!(files.details.streams.len() == 1 && !shared.unjournalled.is_any());
    use_clock_of(None);
}

#[test]
fn so_many_calls_are_noted_and_one_of_which_no_summary_can_be_written_keeps_none_of_the_others() {
    let disk = FaultyDisk::default();
    let (recorder, shared) = recorder_on(&disk, MOST + 1);
    disk.set_faults(Faults::refusing(&FULL));
    let mut journalling = Journalling::default();
    let calls: Vec<Call> = (0..=MOST)
        .map(|index| recorder.start_call(CallOptions::new(format!("CA{index}"))).unwrap())
        .collect();
    let finishing: Vec<_> = calls.into_iter().map(|call| call.finish(EndReason::Stopped)).collect();
    for _ in 0..100 {
        journalling.turn(&shared);
        work(&shared);
    }
    assert!(finishing.iter().all(|finishing| finishing.wait().is_err()));
    assert_eq!(lock(&shared.unjournalled.notes).len(), MOST);

    // A later release wrote the summary of the first.
    let first = lock(&shared.unjournalled.notes).front().unwrap().call.clone();
    disk.set_faults(Faults::none());
    let newer = r#"{"version":1000,"call":"CA","completed_at":"2025-07-13T10:30:00+00:00","streams":[]}"#;
    shared.dir.write_atomic(&format!("call_{first}_summary.json"), newer.as_bytes()).unwrap();
    recover_or_tell(&shared);
    assert!(!shared.unjournalled.is_any());
    let told = (0..=MOST).filter(|index| recorder.files(&format!("CA{index}")).is_some()).count();
    assert_eq!(told, MOST - 1);
    use_clock_of(None);
}

/// A recorder without threads on the real disk.
fn recorder_in(home: &std::path::Path) -> (Recorder, Arc<Shared>) {
    let dir = RecordingsDir::open(home).unwrap();
    simulated::recorder_in(dir, settings(), Limits { calls: 100, ..LIMITS })
}

fn note(call: &CallId, stream: String) -> Note {
    let began = LocalTime::from_unix_ms(1_752_395_325_000, 0).unwrap();
    Note { call: call.clone(), stream: StreamSummary::new(0, stream, began, EndReason::Stopped) }
}

#[test]
fn one_that_is_refused_again_and_again_keeps_no_other() {
    let home = tempfile::tempdir().unwrap();
    let (recorder, shared) = recorder_in(home.path());
    let calls = ["CA0", "CA1", "CA2"].map(|call| CallId::new(call).unwrap());
    calls.iter().for_each(|call| shared.unjournalled.keep(note(call, "MZ".to_owned())));
    // A directory where its summary should be.
    RecordingsDir::open(home.path().join("call_CA0_summary.json")).unwrap();
    let told = || calls.each_ref().map(|call| recorder.files(call.as_str()).is_some());
    tell_of_all(&shared, || false);
    assert_eq!((told(), lock(&shared.unjournalled.notes).len()), ([false; 3], 3), "the recorder ends");
    tell_of_all(&shared, || true);
    assert_eq!(told(), [false, true, true]);
    assert_eq!(lock(&shared.unjournalled.notes).len(), 1);
}

#[test]
fn streams_that_begin_while_summaries_tell_of_others_of_their_call_have_numbers_of_their_own() {
    const EACH: u32 = 50;
    let home = tempfile::tempdir().unwrap();
    let (recorder, shared) = recorder_in(home.path());
    let call = CallId::new("CA1").unwrap();
    let mut live = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for stream in 0..EACH {
                write_or_keep(&shared, note(&call, format!("MZ{stream}")));
                assert!(!shared.unjournalled.is_any());
            }
        });
        let mut journalling = Journalling::default();
        for pause in 0..EACH {
            live.push(recorder.start_call(CallOptions::new("CA1")).unwrap());
            journalling.turn(&shared);
            // At any moment of the other's writing.
            std::thread::sleep(Duration::from_micros(u64::from(pause * 700 % 5_000)));
        }
    });
    let journals = shared.dir.free_journals().unwrap();
    let told = recorder.files("CA1").unwrap().details.streams;
    assert_eq!((journals.len(), told.len()), (EACH as usize, EACH as usize));
    let numbers = journals.iter().map(FreeJournal::number);
    let numbers: BTreeSet<u32> = numbers.chain(told.iter().map(|stream| stream.number)).collect();
    assert_eq!(numbers.len(), 2 * EACH as usize, "{numbers:?}");
    shared.abandon();
}
