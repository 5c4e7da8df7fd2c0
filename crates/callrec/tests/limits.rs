//! What happens where there is as much as there may be: calls, bytes that wait, room on the disk.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::fs;
use std::time::{Duration, Instant};

use callrec::{
    AddLineError, Audio, Call, CallOptions, DropKind, EndReason, Event, Format, Health, RecordError,
    Recorder, Settings, Speaker, Topology,
};
use sound::{decode_wav, talk};

fn wav() -> Settings {
    Settings::default().with_format(Format::Wav)
}

fn until(what: &str, recorder: &Recorder, condition: impl Fn(&Health) -> bool) {
    let begun = Instant::now();
    while !condition(&recorder.health()) {
        assert!(begun.elapsed() < Duration::from_secs(20), "not {what}: {:?}", recorder.health());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_call_too_many_is_refused_and_counted() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).settings(wav()).max_calls(1).start().unwrap();
    let first = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let refused = recorder.start_call(CallOptions::new("CA2")).unwrap_err();
    assert!(matches!(refused, RecordError::TooManyCalls { most: 1 }), "{refused}");
    let health = recorder.health();
    assert_eq!((health.refused.calls_full, health.live, health.most), (1, 1, 1));
    talk(&first, 0, 50);
    let files = first.finish(EndReason::Stopped).wait().unwrap();
    assert!(files.details.streams[0].completeness.is_complete());
    assert_eq!(decode_wav(&home.path().join("call_CA1_conversation.wav")).0.len(), 8_000);
    recorder.start_call(CallOptions::new("CA2")).unwrap();
}

#[test]
fn where_the_disk_has_too_little_room_live_calls_go_on_and_no_other_begins() {
    let home = tempfile::tempdir().unwrap();
    // No disk has so much: it is low from the beginning.
    let low = Recorder::builder(home.path()).settings(wav()).min_free_disk(u64::MAX / 2).start().unwrap();
    let refused = low.start_call(CallOptions::new("CA1")).unwrap_err();
    let RecordError::DiskLow { free, least } = refused else { panic!("{refused}") };
    assert!(free > 0 && least == u64::MAX / 2);
    assert!(refused.to_string().contains("free some space"), "{refused}");
    let health = low.health();
    assert_eq!((health.refused.calls_disk_low, health.disk_free_bytes), (1, Some(free)));
    assert!(health.disk_low.is_some_and(|why| why.contains("MB free")));

    // Beside each live call so much is kept that in the end another finds no room; those that began go on.
    let free = low.health().disk_free_bytes.unwrap();
    let other = tempfile::tempdir().unwrap();
    let tight = Recorder::builder(other.path()).settings(wav()).min_free_disk(free - 600_000_000);
    let tight = tight.start().unwrap();
    let mut calls = Vec::new();
    let refused = loop {
        assert!(calls.len() < 1_000);
        match tight.start_call(CallOptions::new(format!("CA{}", calls.len()))) {
            Ok(call) => calls.push(call),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, RecordError::DiskLow { .. }), "{refused}");
    assert!(!calls.is_empty());
    for call in &calls {
        talk(call, 0, 50);
    }
    for call in calls {
        call.finish(EndReason::Stopped).wait().unwrap();
    }
    assert_eq!(decode_wav(&other.path().join("call_CA0_conversation.wav")).0.len(), 8_000);
}

/// A disk that takes nothing: where journals are made is a file.
fn break_disk(home: &std::path::Path) {
    fs::rename(home.join(".journal"), home.join(".moved")).unwrap();
    fs::write(home.join(".journal"), "").unwrap();
}

fn mend_disk(home: &std::path::Path) {
    fs::remove_file(home.join(".journal")).unwrap();
    fs::rename(home.join(".moved"), home.join(".journal")).unwrap();
}

#[test]
fn what_waits_over_all_calls_is_bounded_and_told_and_a_call_that_holds_little_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let most = 1_000_000;
    let recorder = Recorder::builder(home.path()).settings(wav()).max_waiting_bytes(most).start().unwrap();
    break_disk(home.path());
    let begin = |name: &str| recorder.start_call(CallOptions::new(name)).unwrap();
    let (greedy, modest) = (begin("CA1"), begin("CA2"));
    // Ten minutes at once are 5 MB.
    let second = vec![0x10; 8_000];
    (0..600).for_each(|at: u64| greedy.caller_at(at * 1_000, Audio::mulaw(&second)));
    let health = recorder.health();
    assert!((990_000..=most as u64).contains(&health.waiting_bytes), "{health:?}");
    assert_eq!((health.most_waiting_bytes, health.refused.events_call_full), (most as u64, 0));
    assert!(health.refused.events_memory_full > 400, "{health:?}");
    // A second of both sides.
    talk(&modest, 0, 50);
    until("behind", &recorder, |health| health.journal_behind_ms > 300);
    assert!(recorder.health().journal_error.is_some());
    mend_disk(home.path());

    let audio = |call: Call| call.finish(EndReason::Stopped).wait().unwrap().details.streams[0].clone();
    let (greedy, modest) = (audio(greedy), audio(modest));
    assert!(modest.completeness.is_complete(), "{:?}", modest.completeness);
    assert_eq!(decode_wav(&home.path().join("call_CA2_conversation.wav")).0.len(), 8_000);
    let dropped = greedy.completeness.dropped.audio;
    assert_eq!(dropped, recorder.health().refused.events_memory_full);
    assert!(!greedy.completeness.is_complete() && greedy.duration_ms > 110_000, "{greedy:?}");
    until("all given back", &recorder, |health| health.waiting_bytes == 0 && health.journal_behind_ms == 0);
}

#[test]
fn what_waits_of_a_call_is_bounded_and_told_and_the_call_beside_loses_nothing() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).settings(wav()).start().unwrap();
    break_disk(home.path());
    let begin = |name: &str| recorder.start_call(CallOptions::new(name)).unwrap();
    let (greedy, beside) = (begin("CA1"), begin("CA2"));
    // 69 mebibytes: of the 32 that may wait, and as many that are on their way.
    let (minute, minutes) = (vec![0x10; 60 * 8_000], 150);
    (0..minutes).for_each(|at: u64| greedy.caller_at(at * 60_000, Audio::mulaw(&minute)));
    talk(&beside, 0, 50);
    let health = recorder.health();
    assert!((31 << 20..65 << 20).contains(&health.waiting_bytes), "{health:?}");
    assert!(health.refused.events_call_full > 0 && health.refused.events_memory_full == 0, "{health:?}");
    mend_disk(home.path());

    let beside = beside.finish(EndReason::Stopped).wait().unwrap().details.streams[0].clone();
    assert!(beside.completeness.is_complete(), "{:?}", beside.completeness);
    assert_eq!(decode_wav(&home.path().join("call_CA2_conversation.wav")).0.len(), 8_000);
    let greedy = greedy.finish(EndReason::Stopped).wait().unwrap().details.streams[0].clone();
    assert_eq!(greedy.completeness.dropped.audio, recorder.health().refused.events_call_full);
    assert!(!greedy.completeness.is_complete());
}

#[test]
fn a_line_that_a_transcript_has_no_room_for_is_refused_at_once_counted_once_and_not_journalled() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).settings(wav()).start().unwrap();
    let begin = |name: &str| recorder.start_call(CallOptions::new(name)).unwrap();
    let (many, long, beside) = (begin("CA1"), begin("CA2"), begin("CA3"));
    let add = |call: &str, text: &str, word_ms: &[u32]| {
        recorder.add_line(call, Speaker::Caller, text, None, word_ms)
    };
    let refused = || recorder.health().refused.transcript_lines;

    (0..20_000).for_each(|_| add("CA1", "x", &[]).unwrap());
    assert_eq!((add("CA1", "x", &[]), refused()), (Err(AddLineError::Full), 1));
    many.said(Speaker::Assistant, "x");
    assert_eq!(refused(), 2, "whoever adds it");

    // With the times of two words, all but 12 bytes of 4 MiB.
    let full = "x".repeat(64 * 1024);
    (0..63).for_each(|_| add("CA2", &full, &[]).unwrap());
    add("CA2", &format!("x {}", &full[22..]), &[0, 1]).unwrap();
    assert_eq!((add("CA2", &full[..13], &[]), refused()), (Err(AddLineError::Full), 3));
    // Times that are not of its words, or that find no room, take none, here or in the journal.
    add("CA2", "x x", &[0; 250_000]).unwrap();
    (0..50).for_each(|_| long.word_times(&[0; 250_000]));
    add("CA2", "x x", &[0, 1]).unwrap();
    assert_eq!(add("CA2", &full[..7], &[]), Err(AddLineError::Full));
    add("CA2", &full[..6], &[]).unwrap();
    (0..1_000).for_each(|_| assert_eq!(add("CA2", &full, &[]), Err(AddLineError::Full)));
    assert_eq!(refused(), 1_004);
    assert!(long.flush());
    let journal = fs::metadata(home.path().join(".journal/CA2_1.journal")).unwrap().len();
    assert!(journal < 4_300_000, "{journal} bytes");

    talk(&beside, 0, 50);
    add("CA3", "beside", &[]).unwrap();
    let finish = |call: Call| call.finish(EndReason::Stopped).wait().unwrap().details.streams[0].clone();
    for (call, lines, dropped) in [(many, 20_000, 2), (long, 67, 1_002)] {
        let stream = finish(call);
        assert_eq!((stream.lines.len(), stream.completeness.dropped.transcript_lines), (lines, dropped));
    }
    let beside = finish(beside);
    assert!(beside.completeness.is_complete() && beside.lines.len() == 1);
    assert_eq!(refused(), 1_004, "none is counted again at the end");
}

#[test]
fn of_a_call_of_many_full_transcripts_each_recording_is_there_and_lines_without_room_are_told_and_counted() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).settings(wav()).start().unwrap();
    // As long in JSON as 4 MiB can be: six times.
    let line = "\u{1}".repeat(64 * 1024);
    for number in 1..=4 {
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        talk(&call, 0, 25);
        (0..64).for_each(|_| call.said(Speaker::Caller, &line));
        let files = call.finish(EndReason::Stopped).wait().unwrap();
        assert!(files.recording(number).is_some_and(|recording| recording.exists()), "{number}");
        for text in [files.transcript, files.summary, files.summary_json] {
            assert!(fs::metadata(text).unwrap().len() <= 64 * 1024 * 1024, "it could not be read again");
        }
        assert!(!home.path().join(format!(".journal/CA1_{number}.journal")).exists());
    }
    let streams = recorder.files("CA1").unwrap().details.streams;
    let lines: Vec<usize> = streams.iter().map(|stream| stream.lines.len()).collect();
    assert!(matches!(lines[..], [64, 64, 1..64, 0]), "{lines:?}");
    let dropped: Vec<u64> =
        streams.iter().map(|stream| stream.completeness.dropped.transcript_lines).collect();
    assert!(dropped.iter().zip(&lines).all(|(dropped, lines)| dropped + *lines as u64 == 64), "{dropped:?}");
    assert_eq!(recorder.health().refused.transcript_lines, dropped.iter().sum::<u64>());
}

#[test]
fn what_a_recording_lost_by_a_limit_is_counted_when_it_is_finished_and_when_it_is_recovered() {
    let (home, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recorder = Recorder::builder(home.path()).settings(wav()).start().unwrap();
    let counted = |recorder: &Recorder| {
        let refused = recorder.health().refused;
        (refused.transcript_lines, refused.recordings_too_long)
    };
    let whole = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&whole, 0, 50);
    whole.finish(EndReason::Stopped).wait().unwrap();
    let call = recorder.start_call(CallOptions::new("CA2").topology(Topology::Relay)).unwrap();
    // Eleven minutes at once, of which ten may wait; and lines that could not be read.
    call.assistant(Audio::mulaw(&vec![0x10; 660 * 8_000]));
    call.handle(&Event::Dropped { what: DropKind::TranscriptLine, count: 2 });
    assert!(call.flush());
    let journal = ".journal/CA2_1.journal";
    fs::create_dir(crashed.path().join(".journal")).unwrap();
    fs::copy(home.path().join(journal), crashed.path().join(journal)).unwrap();
    assert_eq!(counted(&recorder), (0, 0));
    let stream = call.finish(EndReason::Stopped).wait().unwrap().details.streams[0].clone();
    assert!(stream.completeness.assistant.refused_ms >= 59_000, "{:?}", stream.completeness);
    assert_eq!(counted(&recorder), (2, 1));

    let next = Recorder::builder(crashed.path()).recover_at_start(false).start().unwrap();
    assert_eq!(counted(&next), (0, 0));
    assert_eq!(next.recover().unwrap().finished, 1);
    assert_eq!(counted(&next), (2, 1));
}
