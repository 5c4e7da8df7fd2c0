//! WAV files that would be too long: what takes their place, live, after a crash and after a change of format.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod sound;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use callrec::{CallFiles, CallOptions, EndReason, Format, FormatChange, RateSetting, Recorder, Settings};
use sound::{decode_wav, finish, heard, names, play, talk, tone};

/// Room for a second and a quarter of stereo at 8 kHz.
fn short_wav() -> Settings {
    Settings::default().with_format(Format::Wav).with_wav_limit_bytes(40_000)
}

/// A call of four seconds.
fn call_in(home: &Path, settings: Settings) -> CallFiles {
    let recorder = Recorder::builder(home).settings(settings).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 200);
    finish(call)
}

/// Waits until the live take writes a file of this format.
fn wait_for_take(home: &Path, format: Format) {
    let (begun, part) = (Instant::now(), format!(".{format}."));
    while !names(&home.join(".journal")).iter().any(|name| name.contains(&part)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "no take in {format}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wav_file_that_would_be_too_long_becomes_a_flac_file_with_the_same_samples() {
    let home = tempfile::tempdir().unwrap();
    let files = call_in(home.path(), short_wav());
    let file = files.details.streams[0].audio.file().unwrap();
    assert_eq!((file.format.as_str(), file.requested_format.as_deref()), ("flac", Some("wav")));
    let (left, right) = play(files.audio.as_ref().unwrap());
    assert!(left == heard(&tone(440.0, 8_000), 200) && right == heard(&tone(700.0, 8_000), 200));
    let summary = fs::read_to_string(files.summary).unwrap();
    assert!(summary.contains("wav was asked for and could not be written"), "{summary}");
    assert_eq!(names(home.path()).iter().filter(|name| name.contains("conversation")).count(), 1);
}

#[test]
fn what_takes_the_place_of_a_wav_file_has_its_rate_and_its_samples() {
    let (short, long) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at_44_100 = |settings: Settings| settings.with_rate(RateSetting::Hz(44_100));
    let files = call_in(short.path(), at_44_100(short_wav()));
    let file = files.details.streams[0].audio.file().unwrap();
    assert_eq!((file.format.as_str(), file.rate_hz), ("flac", 44_100));
    let wav = call_in(long.path(), at_44_100(Settings::default().with_format(Format::Wav)));
    assert!(play(files.audio.as_ref().unwrap()) == decode_wav(wav.audio.as_ref().unwrap()));
}

#[test]
fn a_setting_that_the_other_format_refuses_does_not_keep_it_from_taking_the_place() {
    let home = tempfile::tempdir().unwrap();
    let files = call_in(home.path(), short_wav().with_flac_level(9));
    assert_eq!(files.details.streams[0].audio.file().unwrap().format, "flac");
}

#[test]
fn a_format_set_after_wav_was_full_is_honoured_and_the_same_after_a_crash() {
    let (live, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(crashed.path().join(".journal")).unwrap();
    let recorder = Recorder::builder(live.path()).settings(short_wav()).start().unwrap();
    // A summary of a later version cannot be added to: the journal stays when the audio is published.
    fs::write(live.path().join("call_CA1_summary.json"), r#"{"version":999}"#).unwrap();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    talk(&call, 0, 300);
    wait_for_take(live.path(), Format::Flac);
    recorder.set_format("CA1", &FormatChange::to(Format::Ogg)).unwrap();
    talk(&call, 300, 100);
    call.finish(EndReason::Stopped).wait().unwrap_err();
    let journal = ".journal/CA1_1.journal";
    fs::copy(live.path().join(journal), crashed.path().join(journal)).unwrap();
    let other = Recorder::builder(crashed.path()).recover_at_start(false).start().unwrap();
    assert_eq!(other.recover().unwrap().finished, 1);
    let name = "call_CA1_conversation.ogg";
    let bytes = |home: &Path| fs::read(home.join(name)).unwrap();
    assert!(bytes(live.path()) == bytes(crashed.path()));
    let files = other.files("CA1").unwrap();
    let file = files.details.streams[0].audio.file().unwrap();
    assert_eq!((file.duration_ms, file.requested_format.as_deref()), (8_000, None));
}
