//! Formats chosen before and during calls.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::time::Duration;

use callrec::{Bitrate, CallOptions, Format, FormatChange, Recorder, SetFormat, SetFormatError};
use sound::{decode_wav, finish, names, recorder, talk, tone};

#[test]
fn set_format_reaches_the_whole_call_however_late_it_comes() {
    for after in [0, 1, 150, 290] {
        let home = tempfile::tempdir().unwrap();
        let recorder = recorder(home.path(), Format::Mp3);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        talk(&call, 0, after);
        // Long enough that the live take has begun.
        if after > 100 {
            std::thread::sleep(Duration::from_millis(1_200));
        }
        assert_eq!(recorder.set_format("CA1", &FormatChange::to(Format::Wav)).unwrap(), SetFormat::Live);
        talk(&call, after, 300 - after);
        let files = finish(call);
        let (left, right) = decode_wav(files.audio.as_ref().unwrap());
        assert_eq!(left, sound::heard(&tone(440.0, 8_000), 300));
        assert_eq!(right, sound::heard(&tone(700.0, 8_000), 300));
        assert_eq!(files.recordings.len(), 1);
        assert_eq!(names(home.path()).iter().filter(|name| name.contains("conversation")).count(), 1);
    }
}

#[test]
fn a_format_is_remembered_for_a_call_to_come_and_refused_for_one_that_is_over() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Mp3);
    assert_eq!(recorder.set_format("CA1", &FormatChange::to(Format::Wav)).unwrap(), SetFormat::Pending);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 10);
    assert!(finish(call).audio.unwrap().ends_with("call_CA1_conversation.wav"));
    let late = recorder.set_format("CA1", &FormatChange::to(Format::Mp3));
    assert!(matches!(late, Err(SetFormatError::TooLate)), "{late:?}");
    let impossible = FormatChange::to(Format::Mp3).with_bitrate(Bitrate(7));
    let refused = recorder.set_format("CA2", &impossible).unwrap_err();
    assert!(refused.to_string().contains("MP3_BITRATE=7k is not possible; allowed: 8k"), "{refused}");
    assert!(matches!(recorder.set_format("../CA", &impossible), Err(SetFormatError::BadCallId(_))));
}

#[test]
fn formats_for_calls_that_never_come_are_bounded() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let full = (0..20_000).find_map(|index| {
        let set = recorder.set_format(&format!("CA{index}"), &FormatChange::to(Format::Mp3));
        set.err().map(|error| (index, error))
    });
    assert!(matches!(full, Some((10_000, SetFormatError::Full { most: 10_000 }))), "{full:?}");
    assert_eq!(recorder.health().refused.formats_full, 1);
}

#[test]
fn formats_for_calls_that_came_and_went_leave_room_for_the_next() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).record_audio(false).max_calls(20_000).start().unwrap();
    let set = |name: &str| recorder.set_format(name, &FormatChange::to(Format::Mp3));
    for index in 0..10_000 {
        let name = format!("CA{index}");
        set(&name).unwrap();
        drop(recorder.start_call(CallOptions::new(name)).unwrap());
    }
    assert_eq!(set("CAnext").unwrap(), SetFormat::Pending);
    recorder.shutdown(Duration::ZERO);
}

#[test]
fn a_format_that_is_set_while_a_call_begins_is_never_lost() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).record_audio(false).start().unwrap();
    for index in 0..1_000 {
        let name = format!("CA{index}");
        let both = std::sync::Barrier::new(2);
        let call = std::thread::scope(|scope| {
            scope.spawn(|| {
                both.wait();
                recorder.set_format(&name, &FormatChange::to(Format::Wav)).unwrap();
            });
            both.wait();
            // Each a little later than the one before, so that some meet.
            (0..index * 20).for_each(|_| std::hint::spin_loop());
            recorder.start_call(CallOptions::new(&name)).unwrap()
        });
        assert_eq!(call.status().format.as_deref(), Some("wav"), "call {index}");
    }
    recorder.shutdown(Duration::ZERO);
}
