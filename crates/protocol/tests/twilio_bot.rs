//! What a bot's messages become, and which of them the provider gets.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_protocol::twilio::{BotSide, MAX_LINE, MAX_LINES, Verdict, outgoing};
use callrec_protocol::{Message, ProtocolError};
use callrec_session::{Codec, DropKind, Event, Place, Speaker, Track};
use serde_json::json;

fn verdict(bot: &mut BotSide, json: &str) -> Verdict {
    bot.handle_message(Message::Text(json)).unwrap()
}

fn dropped(bot: &mut BotSide) -> Option<(DropKind, u32)> {
    match bot.poll_event() {
        None => None,
        Some(Event::Dropped { what, count }) => Some((what, count)),
        Some(other) => panic!("{other:?}"),
    }
}

/// The lines that wait, and how many could not be used.
fn lines(bot: &mut BotSide) -> (Vec<(Speaker, String, Option<u64>)>, u32) {
    let (mut lines, mut unusable) = (Vec::new(), 0);
    while let Some(event) = bot.poll_event() {
        match event {
            Event::Said { speaker, text, at_ms } => lines.push((speaker, text.to_owned(), at_ms)),
            Event::Dropped { what: DropKind::TranscriptLine, count } => unusable += count,
            other => panic!("{other:?}"),
        }
    }
    (lines, unusable)
}

#[test]
fn audio_marks_and_clears_are_forwarded_and_told() {
    let mut bot = BotSide::new();
    assert_eq!(verdict(&mut bot, &outgoing::media("MZ1", &[1, 2, 3])), Verdict::Forward);
    assert_eq!(
        bot.poll_event(),
        Some(Event::Audio {
            track: Track::Assistant,
            place: Place::Queued,
            codec: Codec::Mulaw,
            bytes: &[1, 2, 3]
        })
    );
    assert_eq!(verdict(&mut bot, &outgoing::mark("MZ1", "my \"label\"")), Verdict::Forward);
    assert_eq!(bot.poll_event(), Some(Event::MarkSent { name: "my \"label\"" }));
    assert_eq!(verdict(&mut bot, &outgoing::clear("MZ1")), Verdict::Forward);
    assert_eq!(bot.poll_event(), Some(Event::Cleared));
    assert_eq!(bot.poll_event(), None);
}

#[test]
fn the_messages_as_the_provider_documents_them_are_written() {
    let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    assert_eq!(
        read(outgoing::media("MZXX", &[0xff; 3])),
        json!({"event": "media", "streamSid": "MZXX", "media": {"payload": "////"}})
    );
    assert_eq!(
        read(outgoing::mark("MZXX", "a\"b\u{1}")),
        json!({"event": "mark", "streamSid": "MZXX", "mark": {"name": "a\"b\u{1}"}})
    );
    assert_eq!(read(outgoing::clear("MZXX")), json!({"event": "clear", "streamSid": "MZXX"}));
}

#[test]
fn ten_minutes_of_audio_in_one_message_are_taken_and_the_memory_goes_back() {
    let audio: Vec<u8> = (0..4_800_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut bot = BotSide::new();
    assert_eq!(verdict(&mut bot, &outgoing::media("MZ1", &audio)), Verdict::Forward);
    let Some(Event::Audio { bytes, .. }) = bot.poll_event() else { panic!() };
    assert!(bytes == audio);
    assert_eq!(bot.poll_event(), None);
    let next = outgoing::clear("MZ1");
    let info = allocation_counter::measure(|| {
        verdict(&mut bot, &next);
    });
    assert!(info.bytes_current < -4_000_000, "{info:?}");
}

#[test]
fn transcript_lines_are_told_and_kept_from_the_provider() {
    let mut bot = BotSide::new();
    let one = outgoing::transcript(Speaker::Assistant, "Good \"morning\"", Some(1_200));
    assert_eq!(verdict(&mut bot, &one), Verdict::Swallow);
    assert_eq!(lines(&mut bot), (vec![(Speaker::Assistant, "Good \"morning\"".into(), Some(1_200))], 0));

    let several = json!({"event": "transcript", "lines": [
        {"speaker": "caller", "text": "Yes"},
        {"speaker": "assistant", "text": " Thanks ", "at_ms": "2000"},
        {"speaker": "system", "text": "Transferred", "at_ms": -5},
    ]});
    assert_eq!(verdict(&mut bot, &several.to_string()), Verdict::Swallow);
    assert_eq!(
        lines(&mut bot),
        (
            vec![
                (Speaker::Caller, "Yes".into(), None),
                (Speaker::Assistant, "Thanks".into(), Some(2_000)),
                (Speaker::System, "Transferred".into(), None),
            ],
            0
        )
    );
}

#[test]
fn an_unusable_line_is_counted_and_kept_from_the_provider_all_the_same() {
    let mut bot = BotSide::new();
    for (message, expected) in [
        (json!({"event": "transcript"}), 1),
        (json!({"event": "transcript", "speaker": "parrot", "text": "a"}), 1),
        (json!({"event": "transcript", "speaker": "caller", "text": " "}), 1),
        (json!({"event": "transcript", "speaker": "caller", "text": 5}), 1),
        (json!({"event": "transcript", "speaker": "caller", "text": "a".repeat(MAX_LINE + 1)}), 1),
        (json!({"event": "transcript", "lines": 5}), 1),
        (json!({"event": "transcript", "lines": [5, null, {}, []]}), 4),
        (json!({"event": "transcript", "lines": []}), 0),
    ] {
        assert_eq!(verdict(&mut bot, &message.to_string()), Verdict::Swallow);
        assert_eq!(lines(&mut bot), (vec![], expected));
    }
    let line = json!({"speaker": "caller", "text": "a"});
    let many = json!({"event": "transcript", "lines": vec![line; MAX_LINES + 7]});
    assert_eq!(verdict(&mut bot, &many.to_string()), Verdict::Swallow);
    let (kept, unusable) = lines(&mut bot);
    assert_eq!((kept.len(), unusable), (MAX_LINES, 7));
}

#[test]
fn what_the_recorder_does_not_know_goes_on_to_the_provider_and_is_counted() {
    let mut bot = BotSide::new();
    assert_eq!(verdict(&mut bot, r#"{"event":"weather"}"#), Verdict::Forward);
    assert_eq!(dropped(&mut bot), Some((DropKind::UnknownMessage, 1)));
}

#[test]
fn what_cannot_be_read_is_a_countable_error() {
    let mut bot = BotSide::new();
    for json in ["", "{", "[]", "{}", r#"{"event":"mark"}"#, r#"{"event":"media","media":{"payload":"*"}}"#] {
        let error = bot.handle_message(Message::Text(json)).unwrap_err();
        assert!(!error.is_fatal());
        assert!(matches!(dropped(&mut bot), Some((_, 1))));
        assert_eq!(dropped(&mut bot), None);
    }
    assert_eq!(bot.handle_message(Message::Binary(&[0])), Err(ProtocolError::Binary));
    assert_eq!(dropped(&mut bot), Some((DropKind::Message, 1)));
}

#[test]
fn the_times_of_words_follow_their_line_and_times_that_are_none_cost_no_line() {
    let mut bot = BotSide::new();
    let line = r#"{"event":"transcript","speaker":"assistant","text":"one two","word_ms":[0,240]}"#;
    assert_eq!(verdict(&mut bot, line), Verdict::Swallow);
    assert!(matches!(bot.poll_event(), Some(Event::Said { text: "one two", .. })));
    assert_eq!(bot.poll_event(), Some(Event::WordTimes { starts_ms: vec![0, 240].into() }));
    for times in ["[0,-1]", "\"soon\"", "[1e99]", "{}", "null"] {
        let line = format!(r#"{{"event":"transcript","speaker":"caller","text":"one","word_ms":{times}}}"#);
        assert_eq!(verdict(&mut bot, &line), Verdict::Swallow);
        assert_eq!(lines(&mut bot), (vec![(Speaker::Caller, "one".to_owned(), None)], 0), "{times}");
    }
}
