//! The transcript as people read it.

use std::fmt::Write;

use callrec_session::{Line, Speaker};

use crate::one_line::{lines, one_line};
use crate::{CallSummary, StreamSummary};

/// What is written behind an assistant's line of which the caller heard only the beginning.
const CUT_OFF: &str = "cut off";

/// The transcript of a call: a header, then a line for each thing that was said.
///
/// ```text
/// Transcript of call CA0123456789
/// Call Completed: 2025-07-13T10:30:00
///
/// [00:00.4] Assistant: Good morning, how can I help?
/// [00:03.1] Caller: Are you open on Sunday?
/// [00:05.0] Assistant: Our opening hours are (cut off; not heard: from eight to six.)
/// ```
///
/// Times are minutes, seconds and tenths since the stream began; from an hour on, hours are put before them. Text of
/// several lines goes on behind a `|`, so that no text can begin a line of the file.
pub fn transcript_text(summary: &CallSummary) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "Transcript of call {}", one_line(&summary.call));
    let _ = writeln!(text, "Call Completed: {}\n", summary.completed_at);
    write_content(summary, &mut text);
    text
}

/// The lines without a header, as they are in the summary too.
pub(crate) fn write_content(summary: &CallSummary, text: &mut String) {
    if summary.lines().next().is_none() {
        write_how_to(&summary.call, text);
        return;
    }
    for (position, stream) in summary.streams.iter().enumerate() {
        if summary.streams.len() > 1 {
            if position > 0 {
                text.push('\n');
            }
            write_stream_heading(stream, text);
        }
        let mut in_time: Vec<&Line> = stream.lines.iter().collect();
        in_time.sort_by_key(|line| line.at_ms);
        for line in in_time {
            write_line(line, text);
        }
    }
}

fn write_stream_heading(stream: &StreamSummary, text: &mut String) {
    let said = if stream.lines.is_empty() { ", nothing transcribed" } else { "" };
    let _ = writeln!(text, "--- Stream {}, from {}{said} ---", stream.number, stream.started_at);
}

pub(crate) fn write_line(line: &Line, text: &mut String) {
    let speaker = match line.speaker {
        Speaker::Caller => "Caller",
        Speaker::Assistant => "Assistant",
        Speaker::System => "System",
    };
    write_time(line.at_ms, text);
    let _ = write!(text, " {speaker}:");
    match line.heard.as_deref().filter(|heard| line.cut_off && line.text.starts_with(heard)) {
        Some(heard) => {
            write_words(heard, text);
            let unheard = one_line(line.text[heard.len()..].trim_start());
            let _ = write!(text, " ({CUT_OFF}; not heard: {unheard})");
        }
        None => {
            write_words(&line.text, text);
            if line.cut_off {
                let _ = write!(text, " ({CUT_OFF})");
            }
        }
    }
    text.push('\n');
}

fn write_words(words: &str, text: &mut String) {
    for (position, part) in lines(words).enumerate() {
        if position > 0 {
            text.push_str("\n          |");
        }
        let _ = write!(text, " {part}");
    }
}

/// `[00:01.2]`; tenths are cut, not rounded, so that no line is dated after it began.
fn write_time(ms: u64, text: &mut String) {
    let (hours, minutes, seconds, tenths) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms / 100 % 10);
    let _ = match hours {
        0 => write!(text, "[{minutes:02}:{seconds:02}.{tenths}]"),
        _ => write!(text, "[{hours}:{minutes:02}:{seconds:02}.{tenths}]"),
    };
}

fn write_how_to(call: &str, text: &mut String) {
    let call = one_line(call);
    let _ = write!(
        text,
        "No transcript lines were received for this call.\n\
         While a call is live, its bot can send them:\n  \
         POST /calls/{call}/transcript  {{\"speaker\":\"caller\",\"text\":\"...\"}}\n  \
         or, over the relay's socket, {{\"event\":\"transcript\",\"speaker\":\"assistant\",\"text\":\"...\"}}\n"
    );
}
