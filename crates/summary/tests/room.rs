//! A call of many streams: its texts have a bound, and what has no room is counted.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_session::{Cut, CutBy, EndReason, Line, Note, Notes, Speaker};
use callrec_summary::{
    CallSummary, LocalTime, StreamSummary, parse_json, summary_json, summary_text, transcript_text,
};

const LONGEST: usize = 120_000;

fn stream(number: u32, text: &str) -> StreamSummary {
    let began = LocalTime::from_unix_ms(1_752_395_325_250, 0).unwrap();
    let mut stream = StreamSummary::new(number, format!("MZ{number}"), began, EndReason::Stopped);
    let line = |at_ms| Line {
        speaker: Speaker::Assistant,
        at_ms,
        text: text.to_owned(),
        cut_off: true,
        heard: Some(text.to_owned()),
    };
    stream.lines = (0..20).map(line).collect();
    // A shorter one may find room where the others have none.
    stream.lines.push(Line { text: "bye".to_owned(), heard: None, ..line(20) });
    let mut notes = Notes::default();
    for at_ms in 0..10 {
        notes.add(Note::Cut(Cut { at_ms, unheard_ms: 1, pinned: true, by: CutBy::Cleared }));
    }
    stream.notes = Some(notes);
    stream
}

fn longest(call: &CallSummary) -> usize {
    summary_json(call).len().max(summary_text(call).len()).max(transcript_text(call).len())
}

#[test]
fn of_a_stream_that_no_text_has_room_for_lines_are_left_out_and_counted_and_what_was_told_stays() {
    // As long as they can be made: in JSON, in a text, and as they are.
    for text in ["\u{1}".repeat(100), "a\n".repeat(200), "word ".repeat(60)] {
        let began = LocalTime::from_unix_ms(1_752_395_325_250, 0).unwrap();
        let mut call = CallSummary::new("CA1", began);
        for number in 1..=10 {
            let before = call.clone();
            call.put_stream_within(LONGEST, stream(number, &text));
            assert!(longest(&call) <= LONGEST, "{number}: {}", longest(&call));
            assert_eq!(call.streams[..before.streams.len()], before.streams, "what was told stays");
            let put = call.streams.last().unwrap();
            assert_eq!(put.lines.len() as u64 + put.completeness.dropped.transcript_lines, 21);
            let notes = put.notes.as_ref().unwrap();
            assert_eq!(notes.cuts.len() as u64 + notes.beyond, 10);
            assert_eq!(parse_json(summary_json(&call).as_bytes()).unwrap(), call);
            // Whoever finishes it once more changes nothing.
            let there = call.clone();
            call.put_stream_within(LONGEST, stream(number, &text));
            assert_eq!(call, there);
        }
        assert_eq!(call.streams[0], stream(1, &text), "what has room is all there");
        assert!(longest(&call) > LONGEST / 4 * 3, "room is not wasted: {}", longest(&call));
        let last = call.streams.last().unwrap();
        assert!(last.completeness.dropped.transcript_lines > 0 && !last.completeness.is_complete());
        assert!(call.streams.iter().any(
            |stream| (1..20).contains(&stream.lines.len()) && stream.lines.last().unwrap().text == "bye"
        ));
        assert!(summary_text(&call).contains("transcript lines were dropped: "));
    }
}
