//! What a summary knows of a stream already, when that is taken again.

use callrec_session::{Completeness, EndReason};
use callrec_summary::StreamSummary;

/// Whether two entries of a call's summary are of one stream.
pub(crate) fn is_same(one: &StreamSummary, other: &StreamSummary) -> bool {
    (one.number, &one.stream, one.started_at) == (other.number, &other.stream, other.started_at)
}

/// Keeps what the earlier entry tells and the journal may not: how the call ended, what of it the disk refused, and what was dropped.
/// What both tell is counted once.
pub(crate) fn carry_over(earlier: &StreamSummary, stream: &mut StreamSummary) {
    if stream.ended == EndReason::Interrupted {
        stream.ended = earlier.ended;
    }
    // Lines that the summary had no room for were dropped there, and are here again: of all that were told, some are here now.
    let count = |lines: usize| u64::try_from(lines).unwrap_or(u64::MAX);
    let told = earlier.completeness.dropped.transcript_lines.saturating_add(count(earlier.lines.len()));
    let missing = told.saturating_sub(count(stream.lines.len()));
    let mut was = earlier.completeness.clone();
    was.dropped.transcript_lines = missing;
    at_least(&mut stream.completeness, &was);
}

/// As much was refused and dropped as is told elsewhere.
pub(crate) fn at_least(is: &mut Completeness, was: &Completeness) {
    for (is, was) in [
        (&mut is.unjournalled_bytes, was.unjournalled_bytes),
        (&mut is.dropped.messages, was.dropped.messages),
        (&mut is.dropped.audio, was.dropped.audio),
        (&mut is.dropped.unknown_messages, was.dropped.unknown_messages),
        (&mut is.dropped.timestamps, was.dropped.timestamps),
        (&mut is.dropped.parameters, was.dropped.parameters),
        (&mut is.dropped.transcript_lines, was.dropped.transcript_lines),
    ] {
        *is = was.max(*is);
    }
}

#[cfg(test)]
mod tests {
    use callrec_session::{Line, Speaker};
    use callrec_summary::{CallSummary, LocalTime};

    use super::*;

    fn stream(ended: EndReason, lines: usize) -> StreamSummary {
        let began = LocalTime::from_unix_ms(1_752_395_325_000, 0).unwrap();
        let mut stream = StreamSummary::new(1, "MZ1", began, ended);
        let text = "a line that is not short".to_owned();
        let line = Line { speaker: Speaker::Caller, at_ms: 0, text, cut_off: false, heard: None };
        stream.lines = vec![line; lines];
        stream
    }

    #[test]
    fn what_both_tell_is_counted_once_and_what_one_knows_is_told() {
        let (mut earlier, mut later) = (stream(EndReason::Stopped, 0), stream(EndReason::Interrupted, 0));
        let (was, is) = (&mut earlier.completeness, &mut later.completeness);
        (was.unjournalled_bytes, was.torn_bytes) = (100, 7);
        (was.dropped.audio, is.dropped.audio) = (5, 2);
        (was.dropped.messages, is.dropped.messages) = (1, 4);
        (was.dropped.unknown_messages, was.dropped.timestamps, was.dropped.parameters) = (11, 12, 13);
        for _ in 0..3 {
            carry_over(&earlier, &mut later);
            let (is, dropped) = (&later.completeness, &later.completeness.dropped);
            assert_eq!((later.ended, is.unjournalled_bytes, is.torn_bytes), (EndReason::Stopped, 100, 0));
            assert_eq!((dropped.audio, dropped.messages), (5, 4));
            assert_eq!((dropped.unknown_messages, dropped.timestamps, dropped.parameters), (11, 12, 13));
            earlier = later.clone();
        }
        let mut ended = stream(EndReason::Closed, 0);
        carry_over(&earlier, &mut ended);
        assert_eq!(ended.ended, EndReason::Closed, "the journal knows it");
    }

    #[test]
    fn lines_that_a_summary_had_no_room_for_are_not_counted_again_each_time() {
        let began = LocalTime::from_unix_ms(1_752_395_325_000, 0).unwrap();
        let mut summary = CallSummary::new("CA1", began);
        let mut first = stream(EndReason::Interrupted, 1_000);
        // Of these the journal tells nothing.
        first.completeness.dropped.transcript_lines = 3;
        summary.put_stream_within(20_000, first);
        for _ in 0..3 {
            let told = &summary.streams[0];
            let kept = told.lines.len() as u64;
            assert!((1..1_000).contains(&kept));
            assert_eq!(told.completeness.dropped.transcript_lines + kept, 1_003);
            let mut again = stream(EndReason::Interrupted, 1_000);
            carry_over(told, &mut again);
            assert_eq!(again.completeness.dropped.transcript_lines, 3);
            summary.put_stream_within(20_000, again);
        }
    }
}
