//! What the texts of a call have room for, however many streams it has.

use crate::transcript::write_line;
use crate::{CallSummary, StreamSummary, summary_json, summary_text, transcript_text};
use callrec_session::{Line, Notes};
use std::mem;

/// One part of so many is kept from words and notes, to tell of each stream that it was there.
const FOR_STREAMS: usize = 8;
/// What a stream takes more where something was left out: a sentence, and longer numbers.
const TO_TELL_OF_IT: usize = 1_000;
/// What the JSON of a line is longer by when it is indented.
const INDENTATION: usize = 160;

impl CallSummary {
    /// As [`put_stream`](Self::put_stream), for texts of which none may be longer than so many bytes: of the stream's notes and lines
    /// those are left out that have no room, and the stream tells how many these were. What was told of other streams stays. An eighth
    /// is kept for telling that streams were there: only where they are so many that this is full, a text is longer.
    pub fn put_stream_within(&mut self, longest: usize, stream: StreamSummary) {
        let number = stream.number;
        self.put_stream(stream);
        let longest = longest - longest / FOR_STREAMS;
        if self.longest_text() <= longest {
            return;
        }
        let Some(stream) = self.stream_mut(number) else { return };
        let (lines, notes) = (mem::take(&mut stream.lines), mem::take(&mut stream.notes));
        let mut room = longest.saturating_sub(self.longest_text() + TO_TELL_OF_IT);
        let mut has_room = |bytes: usize| {
            let has_room = bytes <= room;
            room -= if has_room { bytes } else { 0 };
            has_room
        };
        let Some(stream) = self.stream_mut(number) else { return };
        stream.notes =
            notes.map(|notes| if has_room(notes_length(&notes)) { notes } else { notes.left_out() });
        let told = lines.len();
        stream.lines = lines.into_iter().filter(|line| has_room(line_length(line))).collect();
        let left_out = u64::try_from(told - stream.lines.len()).unwrap_or(u64::MAX);
        let dropped = &mut stream.completeness.dropped.transcript_lines;
        *dropped = dropped.saturating_add(left_out);
    }

    fn stream_mut(&mut self, number: u32) -> Option<&mut StreamSummary> {
        self.streams.iter_mut().find(|stream| stream.number == number)
    }

    fn longest_text(&self) -> usize {
        summary_json(self).len().max(summary_text(self).len()).max(transcript_text(self).len())
    }
}

/// No less than a line takes in any of the texts.
fn line_length(line: &Line) -> usize {
    let mut text = String::new();
    write_line(line, &mut text);
    let json = serde_json::to_string(line).unwrap_or_default();
    text.len().max(json.len() + INDENTATION)
}

/// No less than notes take in the JSON: what is indented is not three times as long.
fn notes_length(notes: &Notes) -> usize {
    3 * serde_json::to_string(notes).unwrap_or_default().len()
}
