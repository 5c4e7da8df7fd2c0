//! Whole calls: audio and words in, files out, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use callrec::{
    AddLineError, Audio, AudioOutcome, CallOptions, CallState, Channels, EndReason, Event, Format,
    RecordError, Recorder, Settings, Speaker, Topology,
};
use sound::{decode_wav, finish, frames_of, journals, length_of, names, recorder, talk, tone};

#[test]
fn a_call_becomes_three_files_with_both_sides_sample_for_sample() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").stream("MZ1")).unwrap();
    call.said_at(0, Speaker::Assistant, "Good morning.");
    talk(&call, 0, 250);
    assert_eq!(recorder.call("CA1").unwrap().state, CallState::Live);
    let files = finish(call);

    let (left, right) = decode_wav(files.audio.as_ref().unwrap());
    assert_eq!(left, sound::heard(&tone(440.0, 8_000), 250));
    assert_eq!(right, sound::heard(&tone(700.0, 8_000), 250));
    let expected = [
        ".journal",
        "call_CA1.txt",
        "call_CA1_conversation.wav",
        "call_CA1_summary.json",
        "call_CA1_summary.txt",
    ];
    assert_eq!(names(home.path()), expected);
    assert_eq!(journals(home.path()), 0, "the journal is removed");

    let summary = fs::read_to_string(&files.summary).unwrap();
    for line in [
        "Call SID: CA1",
        "Audio File: call_CA1_conversation.wav",
        "Duration: 00:05.0",
        "How The Call Ended: the provider stopped the stream",
        "Completeness: complete",
        "[00:00.0] Assistant: Good morning.",
    ] {
        assert!(summary.contains(line), "{line} is not in\n{summary}");
    }
    let stream = &files.details.streams[0];
    let file = stream.audio.file().unwrap();
    assert_eq!(file.size_bytes, fs::metadata(files.audio.unwrap()).unwrap().len());
    assert_eq!((file.duration_ms, stream.duration_ms), (5_000, 5_000));
    assert!(Path::new(&file.full_path).is_absolute());
    assert_eq!(recorder.call("CA1").unwrap().state, CallState::Finished);
    assert_eq!(recorder.health().live + recorder.health().finishing, 0, "nothing of it is in memory");
}

#[test]
fn every_format_gives_the_whole_call() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Mp3);
    for format in Format::compiled() {
        let settings = Settings::default().with_format(format);
        let call = recorder.start_call(CallOptions::new(format!("CA-{format}")).settings(settings)).unwrap();
        talk(&call, 0, 150);
        let files = finish(call);
        let audio = files.audio.unwrap();
        assert!(audio.ends_with(format!("call_CA-{format}_conversation.{format}")), "{}", audio.display());
        let file = files.details.streams[0].audio.file().unwrap();
        assert_eq!(file.duration_ms, 3_000);
        assert_eq!(length_of(&audio), 3 * u64::from(file.rate_hz), "{format}");
        assert_eq!(file.sha256.len(), 64);
    }
}

#[test]
fn streams_of_one_call_at_once_and_one_after_another_have_files_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let first = recorder.start_call(CallOptions::new("CA1").stream("MZ1")).unwrap();
    talk(&first, 0, 50);
    let second = recorder.start_call(CallOptions::new("CA1").stream("MZ2")).unwrap();
    talk(&second, 0, 20);
    recorder.add_line("CA1", Speaker::System, "to the second", Some(5), &[]).unwrap();
    finish(first);
    finish(second);
    let third = recorder.start_call(CallOptions::new("CA1").stream("MZ3")).unwrap();
    talk(&third, 0, 10);
    let files = finish(third);
    let streams: Vec<_> = files
        .details
        .streams
        .iter()
        .map(|stream| (stream.number, stream.stream.as_str(), stream.duration_ms))
        .collect();
    assert_eq!(streams, [(1, "MZ1", 1_000), (2, "MZ2", 400), (3, "MZ3", 200)]);
    assert_eq!(files.details.streams[1].lines.len(), 1);
    for name in ["call_CA1_conversation.wav", "call_CA1_conversation_2.wav", "call_CA1_conversation_3.wav"] {
        assert!(home.path().join(name).exists(), "{name}");
    }
    assert_eq!(files.recordings.len(), 3);
}

#[test]
fn with_recording_off_no_audio_is_written_anywhere_and_the_words_are() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).record_audio(false).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let loud = [0x2a_u8; 160];
    for ms in 0..50 {
        call.caller_at(ms * 20, Audio::mulaw(&loud));
    }
    call.said_at(100, Speaker::Caller, "off the record");
    assert!(call.flush());
    let journal = fs::read(home.path().join(".journal/CA1_1.journal")).unwrap();
    assert!(!journal.windows(8).any(|bytes| bytes == [0x2a; 8]), "there is audio in the journal");
    let files = finish(call);
    assert_eq!(files.audio, None);
    assert_eq!(files.details.streams[0].audio, AudioOutcome::RecordingOff);
    let summary = fs::read_to_string(&files.summary).unwrap();
    assert!(summary.contains("switched off") && summary.contains("off the record"), "{summary}");
}

#[test]
fn a_call_without_a_frame_has_a_summary_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Mp3);
    let files = finish(recorder.start_call(CallOptions::new("CA1")).unwrap());
    assert_eq!(files.details.streams[0].audio, AudioOutcome::NoAudio);
    assert!(fs::read_to_string(files.summary).unwrap().contains("neither party sent any audio"));
    assert_eq!(journals(home.path()), 0);
}

#[test]
fn a_model_at_24_khz_and_a_line_in_a_law_meet_in_one_file() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").assistant_rate(24_000)).unwrap();
    let model: Vec<f32> =
        (0..480).map(|n| (f32::from(n as i16) * 2.0 * std::f32::consts::PI / 48.0).sin() * 0.5).collect();
    for index in 0..100 {
        call.caller_at(index * 20, Audio::alaw(&[0xd5; 160]));
        call.assistant_at(index * 20, Audio::f32(&model));
    }
    let files = finish(call);
    let (left, right) = decode_wav(files.audio.as_ref().unwrap());
    assert_eq!((left.len(), right.len()), (48_000, 48_000), "two seconds at the higher rate");
    assert!(left.iter().all(|&sample| sample.abs() <= 16), "A-law silence is silence");
    assert_eq!(right.iter().map(|sample| sample.abs()).max(), Some(16_384));
    let mono = Settings::default().with_format(Format::Wav).with_channels(Channels::Mono);
    let call = recorder.start_call(CallOptions::new("CA2").settings(mono)).unwrap();
    call.caller_at(0, Audio::pcm16(&[1_000; 160]));
    call.assistant_at(20, Audio::pcm16(&[-500; 160]));
    let audio = finish(call).audio.unwrap();
    let samples: Vec<i16> = hound::WavReader::open(audio).unwrap().samples().map(Result::unwrap).collect();
    assert_eq!(samples, [[1_000; 160], [-500; 160]].concat());
}

#[test]
fn in_a_relay_what_was_cut_off_is_not_in_the_recording_and_the_transcript_says_so() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    let tick = |from: u64, to: u64| {
        for ms in (from..to).step_by(20) {
            let event = Event::Audio {
                track: callrec::Track::Caller,
                place: callrec::Place::At(ms),
                codec: callrec::Codec::Mulaw,
                bytes: &[0xff; 160],
            };
            call.handle_at((ms + 20) * 1_000, &event);
        }
    };
    let at = |ms: u64, event: Event<'_>| call.handle_at(ms * 1_000, &event);
    tick(0, 500);
    at(500, Event::Said { speaker: Speaker::Assistant, text: "A long story", at_ms: None });
    let speech = [0x10_u8; 16_000];
    let sent = Event::Audio {
        track: callrec::Track::Assistant,
        place: callrec::Place::Queued,
        codec: callrec::Codec::Mulaw,
        bytes: &speech,
    };
    at(500, sent);
    tick(500, 1_300);
    at(1_300, Event::Cleared);
    tick(1_300, 3_000);
    let files = finish(call);
    let (_, right) = decode_wav(files.audio.as_ref().unwrap());
    let sounding: Vec<usize> = right.iter().enumerate().filter(|(_, s)| **s != 0).map(|(n, _)| n).collect();
    assert_eq!((sounding.first(), sounding.last(), sounding.len()), (Some(&4_000), Some(&10_399), 6_400));
    let stream = &files.details.streams[0];
    assert!(stream.lines[0].cut_off);
    assert_eq!(stream.completeness.playout.as_ref().unwrap().unheard_ms, 1_200);
    let told = "[00:00.5] Assistant: A (cut off; not heard: long story)";
    assert!(fs::read_to_string(files.transcript).unwrap().contains(told));
    assert!(fs::read_to_string(files.summary).unwrap().contains("uncalibrated"));
}

#[test]
fn impossible_calls_are_refused_and_say_why() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).max_calls(1).start().unwrap();
    for bad in ["", "../etc/passwd", "a/b", ".hidden", "CA1_summary", &"x".repeat(129), "CA\u{0}"] {
        let refused = recorder.start_call(CallOptions::new(bad)).unwrap_err();
        assert!(matches!(refused, RecordError::BadCallId(_)), "{bad:?}: {refused}");
    }
    let refused = recorder.start_call(CallOptions::new("CA1").caller_rate(0)).unwrap_err();
    assert!(matches!(refused, RecordError::BadRate { hz: 0, .. }), "{refused}");
    // A prime: no block of whole samples goes between it and any rate of a file.
    let refused = recorder.start_call(CallOptions::new("CA1").assistant_rate(100_003)).unwrap_err();
    assert!(matches!(refused, RecordError::OddRate { hz: 100_003, file_hz: 48_000, .. }), "{refused}");
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let refused = recorder.start_call(CallOptions::new("CA2")).unwrap_err();
    assert!(matches!(refused, RecordError::TooManyCalls { most: 1 }), "{refused}");
    finish(call);
    recorder.start_call(CallOptions::new("CA2")).unwrap();
}

#[test]
fn lines_go_to_live_calls_alone() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let add = |call: &str| recorder.add_line(call, Speaker::Caller, "hello", None, &[]);
    assert_eq!(add("CA1"), Err(AddLineError::NoSuchCall));
    assert_eq!(add("../CA1"), Err(AddLineError::NoSuchCall));
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    assert_eq!(add("CA1"), Ok(()));
    let files = finish(call);
    assert_eq!(files.details.streams[0].lines[0].text, "hello");
    assert_eq!(add("CA1"), Err(AddLineError::Ended));
}

/// The smallest runtime there is: polls on this thread, and sleeps until it is woken.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        if let std::task::Poll::Ready(output) = Pin::new(&mut future).poll(&mut cx) {
            return output;
        }
        std::thread::park_timeout(Duration::from_secs(20));
    }
}

#[test]
fn a_call_takes_audio_from_many_threads_and_its_end_can_be_awaited_by_any_runtime() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let (ears, mouth) = (tone(440.0, 8_000), tone(700.0, 8_000));
    // In step, as two sides of one conversation are.
    let step = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let (call, step) = (&call, &step);
        let (ears, mouth) = (&ears, &mouth);
        scope.spawn(move || {
            for index in 0..100 {
                step.wait();
                call.caller_at(index * 20, Audio::mulaw(&frames_of(ears, index)));
            }
        });
        scope.spawn(move || {
            for index in 0..100 {
                step.wait();
                call.assistant_at(index * 20, Audio::mulaw(&frames_of(mouth, index)));
            }
        });
    });
    let files = block_on(call.finish(EndReason::Finished)).unwrap();
    let (left, right) = decode_wav(files.audio.as_ref().unwrap());
    assert!(left == sound::heard(&ears, 100) && right == sound::heard(&mouth, 100));
}

#[test]
fn without_audio_the_transcript_still_knows_what_was_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let recorder = Recorder::builder(home.path()).record_audio(false).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    let (track, codec) = (callrec::Track::Assistant, callrec::Codec::Mulaw);
    call.handle_at(0, &Event::Said { speaker: Speaker::Assistant, text: "one two three four", at_ms: None });
    let place = callrec::Place::Queued;
    call.handle_at(0, &Event::Audio { track, place, codec, bytes: &[0x10; 16_000] });
    call.handle_at(1_000_000, &Event::Cleared);
    assert!(call.flush());
    let journals = fs::read_dir(home.path().join(".journal")).unwrap();
    let journalled: u64 = journals.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(journalled < 2_000, "{journalled} bytes: no audio is written");
    let files = finish(call);
    assert_eq!(files.audio, None);
    let line = &files.details.streams[0].lines[0];
    assert_eq!((line.cut_off, line.heard.as_deref()), (true, Some("one two")));
}

#[test]
fn a_delivery_that_stands_still_for_seconds_loses_nothing_that_came_after_all() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    let frame = |ms: u64, at_ms: u64| {
        let (track, place) = (callrec::Track::Caller, callrec::Place::At(ms));
        let event = Event::Audio { track, place, codec: callrec::Codec::Mulaw, bytes: &[0x10; 160] };
        call.handle_at(at_ms * 1_000, &event);
    };
    (0..1_000).step_by(20).for_each(|ms| frame(ms, ms + 20));
    // Something else happens meanwhile, so that the clock goes on.
    for ms in (1_000..6_000).step_by(500) {
        let (track, place) = (callrec::Track::Assistant, callrec::Place::Untimed);
        let event = Event::Audio { track, place, codec: callrec::Codec::Mulaw, bytes: &[0xff; 160] };
        call.handle_at(ms * 1_000, &event);
    }
    (1_000..6_000).step_by(20).for_each(|ms| frame(ms, 6_020));
    let files = finish(call);
    let (left, _) = decode_wav(files.audio.as_ref().unwrap());
    assert_eq!(left.iter().filter(|sample| **sample != 0).count(), 6_000 * 8);
    let completeness = &files.details.streams[0].completeness;
    assert!(completeness.taken_again && completeness.is_complete(), "{completeness:?}");
}
