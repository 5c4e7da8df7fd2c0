//! A process that is killed in mid-call, and what the next one makes of it. In a binary of its own: a process that is
//! being spawned holds its parent's file locks for a moment.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod sound;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use callrec::{Audio, CallOptions, EndReason, Format, FormatChange, Recorder, Settings, Speaker};
use sound::{decode_wav, frames_of, heard, tone};

const HOME: &str = "CALLREC_TEST_DIRECTORY";

/// Not a test by itself: the process that is started and killed. Started by the test runner it does nothing.
#[test]
fn process_to_be_killed() {
    let Some(home) = std::env::var_os(HOME) else { return };
    let recorder =
        Recorder::builder(home).settings(Settings::default().with_format(Format::Mp3)).start().unwrap();
    let call = recorder.start_call(CallOptions::new("CA1").stream("MZ1")).unwrap();
    recorder.set_format("CA1", &FormatChange::to(Format::Wav)).unwrap();
    call.said_at(0, Speaker::Caller, "are you there?");
    let (caller, assistant) = (tone(440.0, 8_000), tone(700.0, 8_000));
    let begun = Instant::now();
    for index in 0.. {
        std::thread::sleep((Duration::from_millis(20) * (index + 1)).saturating_sub(begun.elapsed()));
        let index = u64::from(index);
        call.caller_at(index * 20, Audio::mulaw(&frames_of(&caller, index)));
        call.assistant_at(index * 20, Audio::mulaw(&frames_of(&assistant, index)));
        println!("\nframe {index}");
    }
}

#[test]
fn a_call_whose_process_was_killed_is_there_at_the_next_start_and_at_most_a_second_short() {
    let home = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_be_killed", "--nocapture"])
        .env(HOME, home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut frames = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(index) = line.strip_prefix("frame ") {
            frames = index.parse::<u64>().unwrap() + 1;
        }
        if frames == 100 {
            // SIGKILL: nothing of it runs any more.
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(frames >= 100);
    assert!(!home.path().join("call_CA1_conversation.wav").exists());

    let (tell, told) = std::sync::mpsc::channel();
    let next = Recorder::builder(home.path())
        .recover_at_start(false)
        .when_recovered(move |files| {
            tell.send(files.clone()).unwrap();
            panic!("whoever is told fails, and harms no recording");
        })
        .start()
        .unwrap();
    let recovery = next.recover().unwrap();
    assert_eq!((recovery.finished, recovery.failed, recovery.owned), (1, 0, 0));
    let files = next.files("CA1").unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), std::slice::from_ref(&files));
    let (left, right) = decode_wav(files.audio.as_ref().unwrap());
    let saved = left.len() as u64 / 160;
    // The kill may fall behind a frame that was not told yet, and between its two sides.
    assert!(saved + 50 >= frames && saved <= frames + 1, "{saved} of {frames} frames were saved");
    assert!(left == heard(&tone(440.0, 8_000), saved));
    let assistant = heard(&tone(700.0, 8_000), saved);
    let (both_sides, last) = right.split_at(right.len() - 160);
    assert!(both_sides == &assistant[..both_sides.len()]);
    assert!(last == &assistant[both_sides.len()..] || last == [0; 160], "{last:?}");
    let stream = &files.details.streams[0];
    assert!(stream.recovered);
    assert_eq!((stream.ended, stream.stream.as_str()), (EndReason::Interrupted, "MZ1"));
    assert_eq!(stream.lines[0].text, "are you there?");
    assert_eq!(next.recover().unwrap().finished, 0, "it is finished once");
    let left_over = fs::read_dir(home.path().join(".journal")).unwrap().map(|file| file.unwrap().file_name());
    let left_over: Vec<_> = left_over.filter(|name| !name.to_string_lossy().ends_with(".lock")).collect();
    assert!(left_over.is_empty(), "{left_over:?}");
}
