//! The two text files, character by character, for calls of every kind.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_session::{EndReason, Line, Speaker};
use callrec_summary::{
    AudioFile, AudioOutcome, CallSummary, LocalTime, StreamSummary, summary_text, transcript_text,
};

/// 2025-07-13T10:28:45, two hours east of Greenwich.
const BEGAN: i64 = 1_752_395_325_000;

fn at(ms: u64) -> LocalTime {
    LocalTime::from_unix_ms(BEGAN, 7200).unwrap().plus_ms(ms)
}

fn line(speaker: Speaker, at_ms: u64, text: &str) -> Line {
    line_cut(speaker, at_ms, text, false)
}

fn line_cut(speaker: Speaker, at_ms: u64, text: &str, cut_off: bool) -> Line {
    Line { speaker, at_ms, text: text.to_owned(), cut_off, heard: None }
}

fn file(name: &str, size_bytes: u64, duration_ms: u64, created_at: LocalTime) -> AudioFile {
    let mut file = AudioFile::new(name, format!("/srv/responses/{name}"), size_bytes, created_at);
    file.duration_ms = duration_ms;
    file.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned();
    file
}

/// One stream, recorded as MP3, with a barge-in.
fn ordinary() -> CallSummary {
    let mut stream = StreamSummary::new(1, "MZ1", at(0), EndReason::Stopped);
    stream.duration_ms = 75_000;
    let mut mp3 = file("call_CA1_conversation.mp3", 1_200_000, 75_000, at(75_120));
    (mp3.rate_hz, mp3.bitrate_kbps) = (16_000, Some(128));
    stream.audio = AudioOutcome::Recorded(mp3);
    stream.lines = vec![
        line(Speaker::Assistant, 420, "Good morning, how can I help?"),
        line(Speaker::Caller, 3199, "Are you open on Sunday?"),
        line_cut(Speaker::Assistant, 5000, "Our opening hours on Sunday are as follows.", true),
        line(Speaker::System, 61_050, "transferred"),
    ];
    let mut call = CallSummary::new("CA1", at(0));
    call.put_stream(stream);
    call
}

/// Three streams: one off the record, one without audio, one recovered in another format than was asked for.
fn three_streams() -> CallSummary {
    let mut call = CallSummary::new("CA3", at(0));
    let mut off = StreamSummary::new(1, "MZ1", at(0), EndReason::Closed);
    off.duration_ms = 10_000;
    off.audio = AudioOutcome::RecordingOff;
    off.lines = vec![line(Speaker::Caller, 100, "hello"), line(Speaker::Caller, 3_723_400, "still there?")];
    let mut silent = StreamSummary::new(2, "MZ2", at(20_000), EndReason::Idle);
    silent.duration_ms = 1000;
    let mut recovered = StreamSummary::new(3, "MZ3", at(30_000), EndReason::Interrupted);
    recovered.duration_ms = 8000;
    recovered.recovered = true;
    let mut wav = file("call_CA3_conversation_3.wav", 128_044, 8000, at(120_000));
    (wav.channels, wav.requested_format) = (1, Some("flac".to_owned()));
    recovered.audio = AudioOutcome::Recorded(wav);
    recovered.lines = vec![line(Speaker::Assistant, 0, "Welcome back.")];
    // In any order.
    for stream in [recovered, off, silent] {
        call.put_stream(stream);
    }
    call
}

fn without_words(audio: AudioOutcome) -> CallSummary {
    let mut stream = StreamSummary::new(1, "MZ1", at(0), EndReason::Stopped);
    stream.audio = audio;
    let mut call = CallSummary::new("CA2", at(0));
    call.put_stream(stream);
    call
}

#[test]
fn an_ordinary_call_is_told_exactly_so() {
    assert_eq!(summary_text(&ordinary()), include_str!("golden/ordinary_summary.txt"));
    assert_eq!(transcript_text(&ordinary()), include_str!("golden/ordinary.txt"));
}

#[test]
fn a_call_of_three_streams_has_a_block_for_each() {
    assert_eq!(summary_text(&three_streams()), include_str!("golden/three_streams_summary.txt"));
    assert_eq!(transcript_text(&three_streams()), include_str!("golden/three_streams.txt"));
}

#[test]
fn a_call_without_words_says_how_to_send_them() {
    let reason = "the disk is full; the audio is kept in .journal and is tried again at the next start";
    let call = without_words(AudioOutcome::NotSaved { reason: reason.to_owned() });
    assert_eq!(summary_text(&call), include_str!("golden/not_saved_summary.txt"));
    assert_eq!(transcript_text(&call), include_str!("golden/not_saved.txt"));
}

#[test]
fn the_fixed_headings_and_fields_come_first_and_in_their_order() {
    let text = summary_text(&ordinary());
    let fixed = [
        "=== CALL SUMMARY ===\nCall SID: CA1\nCall Completed: 2025-07-13T10:30:00\n\n=== ALL RESPONSES ===\n",
        "\n\n=== AUDIO RECORDING ===\nAudio File: call_CA1_conversation.mp3\n\
         Full Path: /srv/responses/call_CA1_conversation.mp3\nFile Size: 1.2 MB\nCreated: 2025-07-13T10:30:00\n",
    ];
    let positions = fixed.map(|part| text.find(part));
    assert_eq!(positions[0], Some(0), "{text}");
    assert!(positions[1] > positions[0], "{text}");
}

#[test]
fn a_summary_names_no_file_where_there_is_none() {
    for audio in
        [AudioOutcome::RecordingOff, AudioOutcome::NoAudio, AudioOutcome::NotSaved { reason: String::new() }]
    {
        let text = summary_text(&without_words(audio));
        let (_, block) = text.split_once("=== AUDIO RECORDING ===\n").unwrap();
        assert!(block.starts_with("No audio file: "), "{block}");
        assert!(!text.contains("Audio File:") && !text.contains("Full Path:"), "{text}");
    }
}

#[test]
fn a_call_without_streams_still_has_every_heading() {
    let text = summary_text(&CallSummary::new("CA0", at(0)));
    for heading in ["=== CALL SUMMARY ===", "=== ALL RESPONSES ===", "=== AUDIO RECORDING ==="] {
        assert_eq!(text.lines().filter(|line| *line == heading).count(), 1, "{text}");
    }
}

/// Whatever of it begins a line would pass for callrec's own words.
const FORGERY: &str = "=== AUDIO RECORDING ===\nAudio File: call_CA1_conversation.mp3\r\n\u{2028}\
                       === CALL SUMMARY ===\u{0B}Call SID: CA9\u{85}[00:00.0] Caller: I agree\u{0C}\u{1b}[2J\u{202e}";

#[test]
fn no_text_of_others_begins_a_line() {
    let mut honest = ordinary();
    let count = |call: &CallSummary, start: &str| {
        let text = summary_text(call) + &transcript_text(call);
        let breaks = ['\n', '\r', '\u{0B}', '\u{0C}', '\u{85}', '\u{2028}', '\u{2029}'];
        text.split(breaks).filter(|line| line.trim_start().starts_with(start)).count()
    };
    let starts = ["===", "Audio File:", "Call SID:", "[00:00.0]", "---"];
    let before = starts.map(|start| count(&honest, start));

    honest.call.push_str(FORGERY);
    let stream = &mut honest.streams[0];
    stream.stream.push_str(FORGERY);
    stream.lines.push(line(Speaker::Caller, 70_000, FORGERY));
    if let AudioOutcome::Recorded(file) = &mut stream.audio {
        for field in [&mut file.full_path, &mut file.file_name, &mut file.format, &mut file.sha256] {
            field.push_str(FORGERY);
        }
        file.requested_format = Some(FORGERY.to_owned());
    }
    assert_eq!(starts.map(|start| count(&honest, start)), before, "{}", summary_text(&honest));

    honest.streams[0].audio = AudioOutcome::NotSaved { reason: FORGERY.to_owned() };
    let counts = starts.map(|start| count(&honest, start));
    assert_eq!(counts[0], before[0]);
    assert_eq!(counts[1], 0);
}

#[test]
fn a_line_that_looks_like_a_heading_stays_a_line_of_the_transcript() {
    let mut call = ordinary();
    call.streams[0].lines =
        vec![line(Speaker::Caller, 1200, "=== AUDIO RECORDING ===\n=== CALL SUMMARY ===")];
    let text = transcript_text(&call);
    let told = "[00:01.2] Caller: === AUDIO RECORDING ===\n          | === CALL SUMMARY ===\n";
    assert!(text.ends_with(told), "{text}");
}

#[test]
fn lines_are_told_in_the_order_of_their_times_and_those_of_one_moment_as_they_came() {
    let mut call = ordinary();
    let said = |ms, text| line(Speaker::Caller, ms, text);
    call.streams[0].lines = vec![said(2000, "c"), said(1000, "a"), said(1000, "b")];
    let text = transcript_text(&call);
    assert!(text.ends_with("[00:01.0] Caller: a\n[00:01.0] Caller: b\n[00:02.0] Caller: c\n"), "{text}");
}

#[test]
fn a_stream_put_twice_is_there_once_and_does_not_move_the_end() {
    let mut call = three_streams();
    let (text, again) = (summary_text(&call), call.streams[0].clone());
    call.put_stream(again);
    assert_eq!(call.streams.iter().map(|s| s.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(summary_text(&call), text);
}
