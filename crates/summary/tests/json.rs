//! The summary for programs: it comes back as it went, and readers of another age understand it.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_session::{Completeness, Cut, CutBy, EndReason, Gap, GapWhy, Line, Note, Notes, Speaker, Track};
use callrec_summary::{
    AudioFile, AudioOutcome, CallSummary, LocalTime, ParseError, StreamSummary, highest_stream, parse_json,
    summary_json, summary_text, transcript_text,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn call(audio: AudioOutcome) -> CallSummary {
    let began = LocalTime::from_unix_ms(1_752_395_325_250, -12_600).unwrap();
    let mut stream = StreamSummary::new(1, "MZ1", began, EndReason::Stopped);
    stream.duration_ms = 1234;
    stream.recovered = true;
    stream.audio = audio;
    stream.lines = vec![Line {
        speaker: Speaker::Assistant,
        at_ms: 20,
        text: "=== \"quoted\" ===\n\u{1b}[2J \u{1F600}".to_owned(),
        cut_off: true,
        heard: None,
    }];
    let mut notes = Notes::default();
    notes.add(Note::Cut(Cut { at_ms: 900, unheard_ms: 334, pinned: true, by: CutBy::Cleared }));
    notes.add(Note::Gap(Gap { track: Track::Caller, begin_ms: 40, end_ms: 60, why: GapWhy::Lost }));
    stream.notes = Some(notes);
    let mut call = CallSummary::new("CA1", began);
    call.put_stream(stream);
    call
}

fn recorded() -> AudioOutcome {
    let created = LocalTime::from_unix_ms(1_752_395_326_484, 0).unwrap();
    let mut file =
        AudioFile::new("call_CA1_conversation.ogg", "/srv/call_CA1_conversation.ogg", 4096, created);
    file.requested_format = Some("flac".to_owned());
    file.sha256 = "00ff".to_owned();
    AudioOutcome::Recorded(file)
}

#[test]
fn every_outcome_comes_back_as_it_went() {
    let not_saved = AudioOutcome::NotSaved { reason: "the disk is full".to_owned() };
    for audio in [recorded(), AudioOutcome::RecordingOff, AudioOutcome::NoAudio, not_saved] {
        let there = call(audio);
        let json = summary_json(&there);
        assert_eq!(parse_json(json.as_bytes()).unwrap(), there, "{json}");
    }
}

#[test]
fn programs_find_the_fields_under_these_names() {
    let json: Value = serde_json::from_str(&summary_json(&call(recorded()))).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["call"], "CA1");
    assert_eq!(json["completed_at"], "2025-07-13T04:58:46.484-03:30");
    let stream = &json["streams"][0];
    assert_eq!(stream["stream"], "MZ1");
    assert_eq!(stream["ended"], "stopped");
    assert_eq!(stream["recovered"], true);
    assert_eq!(stream["lines"][0]["speaker"], "assistant");
    assert_eq!(stream["lines"][0]["cut_off"], true);
    let cut = json!({"at_ms": 900, "unheard_ms": 334, "pinned": true, "by": "cleared"});
    let gap = json!({"track": "caller", "begin_ms": 40, "end_ms": 60, "why": "lost"});
    assert_eq!(stream["notes"], json!({"cuts": [cut], "gaps": [gap]}));
    let audio = &stream["audio"];
    assert_eq!(audio["outcome"], "recorded");
    assert_eq!(audio["file_name"], "call_CA1_conversation.ogg");
    assert_eq!(audio["format"], "ogg");
    assert_eq!(audio["size_bytes"], 4096);
    assert_eq!(audio["created_at"], "2025-07-13T08:28:46.484+00:00");
    assert_eq!(audio.get("bitrate_kbps"), None);
}

#[test]
fn fields_of_a_later_release_are_skipped() {
    let there = call(recorded());
    let mut json: Value = serde_json::from_str(&summary_json(&there)).unwrap();
    json["tenant"] = json!({"id": 7});
    json["streams"][0]["region"] = json!("eu");
    json["streams"][0]["audio"]["loudness"] = json!(-23.0);
    assert_eq!(parse_json(json.to_string().as_bytes()).unwrap(), there);
}

#[test]
fn fields_that_came_later_have_defaults() {
    let json = json!({
        "version": 1, "call": "CA1", "completed_at": "2025-07-13T10:30:00+02:00",
        "streams": [{
            "number": 1, "stream": "MZ1", "started_at": "2025-07-13T10:29:00+02:00", "duration_ms": 60_000,
            "ended": "stopped", "audio": {"outcome": "no_audio"},
        }],
    });
    let read = parse_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(read.streams[0].completeness, Completeness::default());
    assert!(!read.streams[0].recovered && read.streams[0].lines.is_empty());
}

#[test]
fn a_later_version_is_told_from_damage() {
    let later = br#"{"version": 2, "call": {"another": "shape"}}"#;
    assert!(matches!(parse_json(later), Err(ParseError::Newer { version: 2 })));
    for damaged in ["", "{}", "null", "{\"version\": 1}", "{\"version\": 1, \"call\": \"CA1\""] {
        assert!(matches!(parse_json(damaged.as_bytes()), Err(ParseError::Malformed(_))), "{damaged}");
    }
}

#[test]
fn any_beginning_of_a_summary_is_refused_without_panic() {
    let json = summary_json(&call(recorded()));
    let whole = json.trim_end().len();
    for end in 0..whole {
        assert!(parse_json(&json.as_bytes()[..end]).is_err(), "{end}");
    }
    assert!(parse_json(&json.as_bytes()[..whole]).is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_a_summary_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(parse_json(&bytes).is_err());
    }

    #[test]
    fn any_summary_is_read_or_refused_however_it_is_bent(
        at in any::<prop::sample::Index>(), byte: u8, how in 0_u8..3,
    ) {
        let mut bytes = summary_json(&call(recorded())).into_bytes();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.truncate(at),
            _ => bytes.insert(at, byte),
        }
        if let Ok(call) = parse_json(&bytes) {
            let again = summary_json(&call);
            prop_assert_eq!(parse_json(again.as_bytes()).unwrap(), call.clone());
            prop_assert!(!summary_text(&call).is_empty() && !transcript_text(&call).is_empty());
        }
    }
}

#[test]
fn the_highest_stream_of_a_summary_of_any_version_is_known_and_of_what_is_none_nothing_is() {
    let json = summary_json(&call(recorded()));
    let highest = call(recorded()).streams.iter().map(|stream| stream.number).max();
    assert!(highest.is_some());
    assert_eq!(highest_stream(json.as_bytes()), highest);
    let later = br#"{"version": 999, "streams": [{"number": 7, "new": {}}, {"number": 3}], "call": 1}"#;
    assert_eq!(highest_stream(later), Some(7));
    for none in ["", "{}", "[]", r#"{"streams": []}"#, r#"{"streams": [{}]}"#, &json[..json.len() / 2]] {
        assert_eq!(highest_stream(none.as_bytes()), None, "{none}");
    }
}
