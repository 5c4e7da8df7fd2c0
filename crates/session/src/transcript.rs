//! The lines of a transcript: who said what, when, and whether the caller heard it to its end.

use serde::{Deserialize, Serialize};

use crate::{Cut, Event, Speaker};

/// How far before its audio, in milliseconds, an assistant's line may have been told: bots often send words first.
const WORDS_BEFORE_AUDIO_MS: u64 = 1_000;
/// How many cuts are remembered for lines that are told only after they were cut.
const REMEMBERED_CUTS: usize = 16;

/// One thing that was said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// By whom.
    pub speaker: Speaker,
    /// When it began, in milliseconds of the stream clock.
    pub at_ms: u64,
    /// The words.
    pub text: String,
    /// Whether the caller heard only its beginning.
    #[serde(default)]
    pub cut_off: bool,
}

/// How much of a transcript is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TranscriptLimits {
    /// The most lines.
    pub lines: usize,
    /// The most bytes of text, over all lines.
    pub bytes: usize,
}

impl Default for TranscriptLimits {
    /// 20,000 lines and 4 MiB of text: a day of talk.
    fn default() -> Self {
        Self { lines: 20_000, bytes: 4 * 1024 * 1024 }
    }
}

/// Collects the lines of one stream.
///
/// ```
/// use callrec_session::{Event, Speaker, Transcript, TranscriptLimits};
///
/// let mut transcript = Transcript::new(TranscriptLimits::default());
/// transcript.handle_event(1_500, &Event::Said { speaker: Speaker::Caller, text: "Hello?", at_ms: Some(1_200) });
/// assert_eq!(transcript.lines()[0].at_ms, 1_200);
/// ```
#[derive(Debug)]
pub struct Transcript {
    limits: TranscriptLimits,
    lines: Vec<Line>,
    bytes: usize,
    dropped: u32,
    cuts: Vec<Cut>,
}

impl Transcript {
    /// An empty transcript.
    #[must_use]
    pub const fn new(limits: TranscriptLimits) -> Self {
        Self { limits, lines: Vec::new(), bytes: 0, dropped: 0, cuts: Vec::new() }
    }

    /// Takes the line of an [`Event::Said`]; other events say nothing. A line without a time began at `clock_ms`, the
    /// stream clock when it was told.
    pub fn handle_event(&mut self, clock_ms: u64, event: &Event<'_>) {
        let Event::Said { speaker, text, at_ms } = event else { return };
        if self.lines.len() >= self.limits.lines || text.len() > self.limits.bytes.saturating_sub(self.bytes)
        {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.bytes += text.len();
        let mut line = Line {
            speaker: *speaker,
            at_ms: at_ms.unwrap_or(clock_ms),
            text: (*text).to_owned(),
            cut_off: false,
        };
        // Words that come with a time may come after they were cut.
        line.cut_off = at_ms.is_some() && self.cuts.iter().any(|cut| is_cut(&line, cut));
        self.lines.push(line);
    }

    /// Marks what the caller cut off: the last line of the assistant in the spurt that was being played.
    pub fn handle_cut(&mut self, cut: Cut) {
        if let Some(line) = self.lines.iter_mut().rev().find(|line| is_cut(line, &cut)) {
            line.cut_off = true;
        }
        if self.cuts.len() == REMEMBERED_CUTS {
            self.cuts.remove(0);
        }
        self.cuts.push(cut);
    }

    /// The lines, in the order in which they were told.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many lines were beyond the limits.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The lines themselves.
    #[must_use]
    pub fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

fn is_cut(line: &Line, cut: &Cut) -> bool {
    let earliest = cut.spurt_ms.saturating_sub(WORDS_BEFORE_AUDIO_MS);
    line.speaker == Speaker::Assistant && (earliest..=cut.at_ms).contains(&line.at_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(transcript: &mut Transcript, speaker: Speaker, clock_ms: u64, at_ms: Option<u64>) {
        transcript.handle_event(clock_ms, &Event::Said { speaker, text: "words", at_ms });
    }

    fn cut_lines(transcript: &Transcript) -> Vec<u64> {
        transcript.lines().iter().filter(|line| line.cut_off).map(|line| line.at_ms).collect()
    }

    const CUT: Cut = Cut { spurt_ms: 5_000, at_ms: 7_000, unheard_ms: 900 };

    #[test]
    fn a_cut_marks_the_last_line_of_the_assistant_in_its_spurt() {
        let mut transcript = Transcript::new(TranscriptLimits::default());
        said(&mut transcript, Speaker::Assistant, 1_000, None);
        said(&mut transcript, Speaker::Assistant, 4_900, None);
        said(&mut transcript, Speaker::Assistant, 5_800, None);
        said(&mut transcript, Speaker::Caller, 6_900, None);
        transcript.handle_cut(CUT);
        said(&mut transcript, Speaker::Assistant, 7_100, None);
        assert_eq!(cut_lines(&transcript), [5_800]);
    }

    #[test]
    fn a_line_told_after_its_cut_is_marked_by_its_time_and_one_without_time_is_not() {
        let mut transcript = Transcript::new(TranscriptLimits::default());
        transcript.handle_cut(CUT);
        said(&mut transcript, Speaker::Assistant, 7_000, None);
        said(&mut transcript, Speaker::Assistant, 8_000, Some(5_000));
        said(&mut transcript, Speaker::Caller, 8_000, Some(6_000));
        said(&mut transcript, Speaker::Assistant, 8_000, Some(7_001));
        assert_eq!(cut_lines(&transcript), [5_000]);
    }

    #[test]
    fn lines_beyond_the_limits_are_counted() {
        let mut transcript = Transcript::new(TranscriptLimits { lines: 3, bytes: 12 });
        for _ in 0..4 {
            said(&mut transcript, Speaker::System, 0, None);
        }
        assert_eq!((transcript.lines().len(), transcript.dropped()), (2, 2));
    }
}
