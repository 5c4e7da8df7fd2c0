//! The demo as a newcomer runs it, and what its recording holds: what was heard, and nothing of what was cut off.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_callrec");

fn demo(home: &Path, arguments: &[&str]) -> Output {
    let output =
        Command::new(PROGRAM).args(arguments).current_dir(home).env_remove("RUST_LOG").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    output
}

fn sample(name: &str) -> Vec<i16> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name).with_extension("ulaw");
    let mut pcm = Vec::new();
    callrec::g711::Law::Mulaw.decode(&std::fs::read(path).unwrap(), &mut pcm);
    pcm
}

/// Where a piece of sound is, sample for sample.
fn find(piece: &[i16], track: &[i16]) -> Option<usize> {
    track.windows(piece.len()).position(|window| window == piece)
}

fn the_one(directory: &Path, end: &str) -> PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(end))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn the_demo_shows_a_recording_of_what_was_heard_without_what_was_cut_off() {
    let home = tempfile::tempdir().unwrap();
    let output = demo(home.path(), &["demo", "--format", "wav", "--directory", "here"]);
    let said = String::from_utf8(output.stdout).unwrap();
    let here = home.path().join("here");
    let recording = the_one(&here, ".wav");
    for told in [
        "=== CALL SUMMARY ===",
        "=== AUDIO RECORDING ===",
        "Completeness: complete",
        "calibrated by the provider's echoes: 3 of 3 beginnings and 1 of 1 cuts",
        &format!("{PROGRAM} serve"),
        recording.to_str().unwrap(),
    ] {
        assert!(said.contains(told), "{told} is not in\n{said}");
    }

    let samples: Vec<i16> =
        hound::WavReader::open(&recording).unwrap().samples().map(Result::unwrap).collect();
    let (caller, assistant): (Vec<i16>, Vec<i16>) =
        samples.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    assert!((15..25).contains(&(caller.len() / 8_000)), "{} s", caller.len() / 8_000);

    // The caller is where it spoke, by the provider's clock, to the sample.
    assert_eq!(find(&sample("caller_1"), &caller), Some(5_000 * 8));
    assert_eq!(find(&sample("caller_2"), &caller), Some(12_000 * 8));

    // The first and the last sentence were heard whole, of the long one the beginning.
    let long = sample("assistant_2");
    let greeting = find(&sample("assistant_1"), &assistant).expect("the greeting is there");
    let head = find(&long[..8_000], &assistant).expect("the long answer begins");
    let farewell = find(&sample("assistant_3"), &assistant).expect("the farewell is there");
    assert!(greeting < head && head < farewell);
    let heard = long.iter().zip(&assistant[head..]).take_while(|(a, b)| a == b).count();
    // It was interrupted at 12 s, which the bot noticed at the first loud tick.
    let cut_at = head + heard;
    assert!((12_000 * 8..12_400 * 8).contains(&cut_at), "cut at sample {cut_at}");
    assert!(
        assistant[cut_at..farewell].iter().all(|&sample| sample == 0),
        "something of it is there after the cut"
    );
    for tail in long[heard..].chunks_exact(4_000).filter(|tail| tail.iter().any(|&sample| sample.abs() > 500))
    {
        assert_eq!(find(tail, &assistant), None, "what was cut off is in the recording");
    }

    let name = recording.file_name().unwrap().to_str().unwrap().replace("_conversation.wav", ".txt");
    let transcript = std::fs::read_to_string(here.join(name)).unwrap();
    for line in [
        "Assistant: Good morning, this is the book shop",
        "[00:05.0] Caller: Hello. Are you open on Sundays?",
        "Assistant: On Sundays we open at ten in the morning",
        "(cut off; not heard: ",
        "when we are open until eight.)",
        "[00:12.0] Caller: Thank you",
        "Assistant: You are welcome. Good bye!",
    ] {
        assert!(transcript.contains(line), "{line} is not in\n{transcript}");
    }
}

#[test]
fn the_demos_server_has_the_settings_of_the_file_that_was_named() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("audio_config.env"), "AUDIO_CHANNELS=stereo\n").unwrap();
    let settings = "DEFAULT_AUDIO_FORMAT=wav\nAUDIO_CHANNELS=mono\nRECORDINGS_DIRECTORY=there\n";
    std::fs::write(home.path().join("some.env"), settings).unwrap();
    demo(home.path(), &["--config", "some.env", "demo"]);
    let recording = the_one(&home.path().join("there"), ".wav");
    assert_eq!(hound::WavReader::open(recording).unwrap().spec().channels, 1);
}

#[test]
fn a_format_that_this_build_cannot_write_is_refused_with_those_that_it_can() {
    let output = Command::new(PROGRAM).args(["demo", "--format", "aac"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for format in [callrec::Format::Mp3, callrec::Format::Wav, callrec::Format::Ogg, callrec::Format::Flac] {
        assert_eq!(told.contains(format.extension()), format.is_compiled(), "{told}");
    }
}
