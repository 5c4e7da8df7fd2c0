//! The lines of a transcript: who said what, when, and how much of it the caller heard.

mod room;
mod speech;

use serde::{Deserialize, Serialize};

use crate::{Event, Placement, Speaker, Track};
pub use room::{TranscriptLimits, TranscriptRoom};
use speech::Speech;

/// One thing that was said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// By whom.
    pub speaker: Speaker,
    /// When it began, in milliseconds of the stream clock.
    pub at_ms: u64,
    /// The words.
    pub text: String,
    /// Whether the caller heard only its beginning, or nothing of it.
    #[serde(default)]
    pub cut_off: bool,
    /// Of a line that was cut off: the words that the caller heard, the beginning of `text`. By the times of its words, if the
    /// bot told them, else by the share of its speech that was played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard: Option<String>,
}

/// The moment of an event, as a [`Timeline`](crate::Timeline) reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moment {
    /// Local time, in microseconds.
    pub at_us: u64,
    /// The stream clock, in milliseconds.
    pub clock_ms: u64,
    /// How many samples of speech a relay's bot has sent, this event's included.
    pub generated: u64,
}

/// Collects the lines of one stream.
///
/// In a relay, an assistant's line is put where its speech was heard, and cut where that was cut. Which speech is a
/// line's? A line that is told with a time has the speech that was heard then. One without a time has what the bot sends
/// next; or, if it is told while the bot sends, or just after, and no line was told for that speech yet, that. A
/// line's speech ends where that of the next line begins, or where the bot pauses.
///
/// ```
/// use callrec_session::{Event, Moment, Speaker, Transcript, TranscriptLimits};
///
/// let mut transcript = Transcript::new(TranscriptLimits::default(), 8_000);
/// let moment = Moment { clock_ms: 1_500, ..Moment::default() };
/// transcript.handle_event(moment, &Event::Said { speaker: Speaker::Caller, text: "Hello?", at_ms: Some(1_200) });
/// assert_eq!(transcript.into_lines()[0].at_ms, 1_200);
/// ```
#[derive(Debug)]
pub struct Transcript {
    room: TranscriptRoom,
    lines: Vec<Told>,
    dropped: u32,
    speech: Speech,
}

#[derive(Debug)]
struct Told {
    line: Line,
    /// The number of the first sample of its speech.
    first: Option<u64>,
    /// Its time was given.
    timed: bool,
    /// When its words begin, in milliseconds since its speech does; empty if nobody said.
    words_ms: Vec<u32>,
}

impl Transcript {
    /// An empty transcript of a stream whose assistant has audio of `rate` Hz.
    #[must_use]
    pub const fn new(limits: TranscriptLimits, rate: u32) -> Self {
        Self { room: TranscriptRoom::new(limits), lines: Vec::new(), dropped: 0, speech: Speech::new(rate) }
    }

    /// Takes an event, in the moment in which the timeline has taken it. [`Event::Said`] is a line; a line without a time
    /// began when it was told, unless its speech says more.
    pub fn handle_event(&mut self, moment: Moment, event: &Event<'_>) {
        match event {
            Event::Audio { track: Track::Assistant, .. } | Event::Omitted { track: Track::Assistant, .. } => {
                self.speech.sent(moment.at_us, moment.clock_ms, moment.generated);
            }
            Event::Cleared | Event::Over => self.speech.cleared(),
            Event::Said { speaker, text, at_ms } => self.told(moment, *speaker, text, *at_ms),
            Event::WordTimes { starts_ms } => self.word_times(starts_ms),
            _ => {}
        }
    }

    fn told(&mut self, moment: Moment, speaker: Speaker, text: &str, at_ms: Option<u64>) {
        if !self.room.take_line(text) {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let line = Line {
            speaker,
            at_ms: at_ms.unwrap_or(moment.clock_ms),
            text: text.to_owned(),
            cut_off: false,
            heard: None,
        };
        let mut told = Told { line, first: None, timed: at_ms.is_some(), words_ms: Vec::new() };
        if speaker == Speaker::Assistant {
            match at_ms {
                Some(at_ms) => told.first = self.speech.heard_at(at_ms),
                None => {
                    let (first, begun_ms) = self.speech.claim(moment.at_us, moment.clock_ms);
                    told.first = Some(first);
                    told.line.at_ms = self.speech.place_of(first, begun_ms).unwrap_or(begun_ms);
                }
            }
        }
        self.lines.push(told);
    }

    fn word_times(&mut self, starts_ms: &[u32]) {
        let line = self.room.take_word_times(starts_ms);
        if let Some(told) = line.and_then(|line| self.lines.get_mut(line)) {
            told.words_ms = starts_ms.to_vec();
        }
    }

    /// Takes what became of the bot's speech.
    pub fn handle_placement(&mut self, placement: Placement) {
        self.speech.placed(placement);
        // Lines wait for their speech for seconds, not for the whole call.
        for told in
            self.lines.iter_mut().rev().take(256).filter(|told| told.line.speaker == Speaker::Assistant)
        {
            match told.first {
                Some(first) if !told.timed && placement.holds(first) => {
                    if let Some(at_ms) = self.speech.place_of(first, told.line.at_ms) {
                        told.line.at_ms = at_ms;
                    }
                }
                None if told.timed => told.first = self.speech.heard_at(told.line.at_ms),
                _ => {}
            }
        }
    }

    /// How many lines were beyond the limits.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The lines, in the order in which they were told, cut where their speech was cut.
    #[must_use]
    pub fn into_lines(self) -> Vec<Line> {
        let Self { lines, speech, .. } = self;
        let mut firsts: Vec<u64> = lines.iter().filter_map(|told| told.first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let cut = |mut told: Told| {
            let Some(first) = told.first else { return told.line };
            let next = firsts.get(firsts.partition_point(|other| *other <= first)).copied();
            let (heard, unheard) = speech.heard_of(first, next.unwrap_or(u64::MAX));
            if unheard > 0 {
                told.line.cut_off = true;
                let words = if told.words_ms.is_empty() {
                    beginning(&told.line.text, heard, heard + unheard)
                } else {
                    let heard_ms = speech.ms_of(heard);
                    let begun = told.words_ms.iter().take_while(|ms| u64::from(**ms) < heard_ms).count();
                    first_words(&told.line.text, begun)
                };
                told.line.heard = Some(words.to_owned());
            }
            told.line
        };
        lines.into_iter().map(cut).collect()
    }
}

/// The words of a text that are its first `part` of `whole`; a word counts if half of it does.
fn beginning(text: &str, part: u64, whole: u64) -> &str {
    let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
    let heard = (u128::from(length) * u128::from(part) / u128::from(whole.max(1))) as usize;
    let mut kept = 0;
    let mut at = 0;
    for word in text.split_inclusive(char::is_whitespace) {
        let chars = word.chars().count();
        if at + chars.div_ceil(2) > heard {
            break;
        }
        at += chars;
        kept += word.len();
    }
    text[..kept].trim_end()
}

/// The beginning of a text: so many words.
fn first_words(text: &str, words: usize) -> &str {
    match text.split_whitespace().take(words).last() {
        // A word lies within its text.
        Some(last) => &text[..last.as_ptr() as usize + last.len() - text.as_ptr() as usize],
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Place};
    use std::borrow::Cow;

    /// Speech in pieces of 100 ms at 8,000 Hz, and lines about it.
    struct Bot {
        transcript: Transcript,
        moment: Moment,
    }

    impl Bot {
        fn new() -> Self {
            Self {
                transcript: Transcript::new(TranscriptLimits::default(), 8_000),
                moment: Moment::default(),
            }
        }

        fn at(mut self, ms: u64) -> Self {
            (self.moment.at_us, self.moment.clock_ms) = (ms * 1_000, ms);
            self
        }

        fn sends(mut self, ms: u64) -> Self {
            self.moment.generated += ms * 8;
            let (track, place) = (Track::Assistant, Place::Queued);
            let event = Event::Audio { track, place, codec: Codec::Mulaw, bytes: &[] };
            self.transcript.handle_event(self.moment, &event);
            self
        }

        fn tells(mut self, text: &str, at_ms: Option<u64>) -> Self {
            let event = Event::Said { speaker: Speaker::Assistant, text, at_ms };
            self.transcript.handle_event(self.moment, &event);
            self
        }

        fn clears(mut self) -> Self {
            self.transcript.handle_event(self.moment, &Event::Cleared);
            self
        }

        fn heard(mut self, first_ms: u64, ms: u64, at_ms: Option<u64>) -> Self {
            self.transcript.handle_placement(Placement {
                first: first_ms * 8,
                samples: ms * 8,
                start: at_ms.map(|ms| ms * 8),
            });
            self
        }

        fn lines(self) -> Vec<(u64, Option<String>)> {
            self.transcript.into_lines().into_iter().map(|line| (line.at_ms, line.heard)).collect()
        }
    }

    fn heard(at_ms: u64, words: &str) -> (u64, Option<String>) {
        (at_ms, Some(words.to_owned()))
    }

    #[test]
    fn a_line_may_have_any_time() {
        for at_ms in [u64::MAX, u64::MAX / 1_000, u64::MAX / 8_000 + 5] {
            let spoken = || Bot::new().at(1_000).sends(500).heard(0, 500, Some(1_000));
            assert_eq!(spoken().tells("one two", Some(at_ms)).lines(), [(at_ms, None)]);
            let told_before =
                Bot::new().tells("one two", Some(at_ms)).at(1_000).sends(500).heard(0, 500, Some(1_000));
            assert_eq!(told_before.lines(), [(at_ms, None)]);
        }
    }

    #[test]
    fn a_line_told_before_its_speech_is_put_where_that_was_heard_and_cut_where_it_was_cut() {
        let bot = Bot::new().at(1_000).tells("one two three four", None).at(1_200).sends(2_000);
        let bot = bot.at(2_500).clears().heard(0, 1_000, Some(1_500)).heard(1_000, 1_000, None);
        assert_eq!(bot.lines(), [heard(1_500, "one two")]);
    }

    #[test]
    fn a_line_told_behind_its_speech_has_that_speech() {
        let bot = Bot::new().at(1_000).sends(1_000).sends(1_000).at(1_100).tells("one two three four", None);
        let bot = bot.at(5_000).sends(500).at(5_100).tells("five", None);
        let bot = bot.heard(0, 2_000, Some(1_100)).heard(2_000, 200, Some(5_100)).heard(2_200, 300, None);
        assert_eq!(bot.lines(), [(1_100, None), heard(5_100, "")]);
    }

    #[test]
    fn lines_told_one_after_another_share_the_speech_between_them() {
        let bot = Bot::new().at(0).tells("first words", None).at(10).sends(1_000);
        let bot = bot.at(20).tells("second words", None).at(30).sends(1_000).at(800).clears();
        let bot = bot.heard(0, 1_500, Some(100)).heard(1_500, 500, None);
        assert_eq!(bot.lines(), [(100, None), heard(1_100, "second")]);
    }

    #[test]
    fn a_line_with_a_time_keeps_it_and_is_cut_with_the_speech_of_then() {
        let bot = Bot::new().at(1_000).sends(2_000).at(2_500).clears();
        let bot = bot.tells("told early", Some(1_400));
        let bot = bot.heard(0, 1_000, Some(1_200)).heard(1_000, 1_000, None);
        let bot = bot.tells("told at all", Some(1_100)).tells("long ago", Some(0));
        let bot = bot.lines();
        assert_eq!(bot[0], heard(1_400, "told"));
        assert_eq!(bot[1].0, 1_100);
        assert_eq!(bot[2], (0, None));
    }

    #[test]
    fn where_the_bot_tells_when_its_words_begin_those_that_began_are_heard() {
        let text = "a  b c, said slowly";
        for (starts_ms, words) in [
            (vec![0, 100, 200, 900, 1_500], "a  b c, said"),
            (vec![0, 1_000, 1_100, 1_200, 1_300], "a"),
            // Not as many as there are words: they are of no use.
            (vec![0, 1_000], "a  b c, "),
        ] {
            let mut bot = Bot::new().at(0).tells(text, None);
            let event = Event::WordTimes { starts_ms: Cow::Borrowed(&starts_ms) };
            bot.transcript.handle_event(bot.moment, &event);
            let bot = bot.sends(2_000).clears().heard(0, 1_000, Some(50)).heard(1_000, 1_000, None);
            assert_eq!(bot.lines(), [heard(50, words.trim_end())], "{starts_ms:?}");
        }
    }

    #[test]
    fn speech_that_was_cut_before_it_began_leaves_no_words() {
        let bot = Bot::new().at(0).tells("nothing of this", None).sends(1_000).clears().heard(0, 1_000, None);
        assert_eq!(bot.lines(), [heard(0, "")]);
    }

    #[test]
    fn a_line_of_which_nothing_was_heard_is_where_the_queue_was_cut_and_not_before_the_bot_came_to_it() {
        // Both wait in one queue when it is cut.
        let bot = Bot::new().at(1_000).tells("first", None).sends(3_000).tells("second", None).sends(2_000);
        let bot = bot.at(2_000).clears().heard(0, 1_000, Some(1_000)).heard(1_000, 4_000, None);
        assert_eq!(bot.lines(), [heard(1_000, ""), heard(2_000, "")]);
        // The speech before it was over long ago; one line is told before its speech and one behind it.
        let bot = Bot::new().at(1_000).tells("first", None).sends(500);
        let bot = bot.at(8_000).tells("second", None).sends(1_000).at(8_010).clears();
        let bot = bot.at(9_000).sends(1_000).at(9_500).tells("third", None).clears();
        let bot = bot.heard(0, 500, Some(1_000)).heard(500, 2_000, None);
        assert_eq!(bot.lines(), [(1_000, None), heard(8_000, ""), heard(9_000, "")]);
    }

    #[test]
    fn speech_behind_a_pause_that_nobody_told_of_is_not_the_last_lines() {
        let bot = Bot::new().at(0).tells("words", None).sends(1_000);
        let bot = bot.at(9_000).sends(1_000).at(9_100).clears();
        assert_eq!(bot.heard(0, 1_000, Some(50)).heard(1_000, 1_000, None).lines(), [(50, None)]);
    }

    #[test]
    fn words_of_any_script_are_cut_between_words() {
        for (text, part, words) in [
            ("señor über", 10, "señor über"),
            ("señor über", 6, "señor"),
            ("日本語", 2, "日本語"),
            ("日本語", 1, ""),
            ("", 1, ""),
            ("   ", 5, ""),
        ] {
            assert_eq!(beginning(text, part, text.chars().count().max(1) as u64), words, "{text:?}");
        }
    }

    #[test]
    fn lines_beyond_the_limits_are_counted() {
        let mut transcript = Transcript::new(TranscriptLimits { lines: 3, bytes: 12 }, 8_000);
        for _ in 0..4 {
            let event = Event::Said { speaker: Speaker::System, text: "words", at_ms: None };
            transcript.handle_event(Moment::default(), &event);
        }
        assert_eq!((transcript.dropped(), transcript.into_lines().len()), (2, 2));
    }
}
