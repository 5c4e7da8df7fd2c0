//! What a bot hands over all at once, on a disk that is well: nothing of it is dropped.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use callrec::{Audio, CallFiles, CallOptions, Format, Topology};
use sound::{decode_wav, finish, recorder};

fn assert_whole(files: &CallFiles) {
    let completeness = &files.details.streams[0].completeness;
    assert!(completeness.is_complete(), "{:?}", completeness.sentences());
}

#[test]
fn a_models_speech_in_a_plain_loop_is_all_there() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    for seconds in [30, 120] {
        let name = format!("CA{seconds}");
        let call = recorder.start_call(CallOptions::new(name).assistant_rate(24_000)).unwrap();
        for _ in 0..seconds * 50 {
            call.assistant(Audio::pcm16(&[8_000; 480]));
        }
        let files = finish(call);
        assert_whole(&files);
        let (_, right) = decode_wav(files.audio.as_ref().unwrap());
        assert!(right == vec![8_000; seconds * 24_000], "{seconds} s: {} samples", right.len());
    }
}

#[test]
fn ten_minutes_of_a_relayed_bot_in_pieces_are_all_taken() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let call = recorder.start_call(CallOptions::new("CA1").topology(Topology::Relay)).unwrap();
    for _ in 0..30_000 {
        call.assistant(Audio::mulaw(&[0x10; 160]));
    }
    let files = finish(call);
    assert_whole(&files);
    assert_eq!(files.details.streams[0].completeness.assistant.frames, 30_000);
}

#[test]
fn ten_minutes_of_speech_in_one_piece_are_all_there() {
    let home = tempfile::tempdir().unwrap();
    let recorder = recorder(home.path(), Format::Wav);
    let speech: Vec<f32> = (0..24_000 * 600).map(|n| (n % 20_000) as f32 / 32_768.0).collect();
    for (name, at_ms) in [("CA1", None), ("CA2", Some(0))] {
        let call = recorder.start_call(CallOptions::new(name).assistant_rate(24_000)).unwrap();
        match at_ms {
            None => call.assistant(Audio::f32(&speech)),
            Some(ms) => call.assistant_at(ms, Audio::f32(&speech)),
        }
        let files = finish(call);
        assert_whole(&files);
        let (_, right) = decode_wav(files.audio.as_ref().unwrap());
        assert_eq!(right.len(), speech.len(), "{name}");
        assert!(right.iter().enumerate().all(|(n, sample)| *sample == (n % 20_000) as i16), "{name}");
    }
}
