//! Lines of a transcript, held against what a simulated caller heard: where each is, and how much of a cut one was heard.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::borrow::Cow;

use callrec_session::{
    Codec, EndReason, Event, Line, MarkEchoes, MarkPlanner, Moment, Place, Speaker, StreamStart, Timeline,
    TimelineLimits, Topology, Track, Transcript, TranscriptLimits,
};
use callrec_simulator::{
    Bot, BotKind, Conditions, Echoes, FromProvider, Luck, Promise, Relay, Run, ToProvider, Truth, simulate,
};

const CALLS: u64 = 500;
const CALL_MS: u64 = 40_000;
const PREFIX: &str = "callrec-0123456789";
/// A line has so many words, all of one length: which were heard tells the share of its speech that was, to a thousandth.
const WORDS: usize = 1_000;
/// A bot that has sent nothing for so long says something new.
const NEW_LINE_US: u64 = 300_000;
/// What is surely a pause in what is said: a line that is told behind speech has all since the last one.
const PAUSE_US: u64 = 800_000;
/// Times of lines are whole milliseconds, rounded down.
const ROUNDING_MS: f64 = 1.0;

/// A relay that tells a line for what the bot says: with each new thing, and now and then in the middle of one.
struct Teller {
    timeline: Timeline,
    transcript: Transcript,
    planner: MarkPlanner,
    luck: Luck,
    text: String,
    /// Of each line that was told: the number of its first sample, and the stream clock when that was sent, in milliseconds.
    told: Vec<(u64, u64)>,
    last_sent_us: Option<u64>,
    cleared: bool,
}

impl Teller {
    fn new(conditions: &Conditions, luck: Luck) -> Self {
        let mut start = StreamStart::new("CA1", "MZ1", Topology::Relay);
        start.mark_echoes = match conditions.echoes {
            Echoes::BeforeFrame => MarkEchoes::BeforeFrame,
            Echoes::BehindFrame => MarkEchoes::BehindFrame,
        };
        let mut timeline = Timeline::new(TimelineLimits::default());
        timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
        Self {
            timeline,
            transcript: Transcript::new(TranscriptLimits::default(), 8_000),
            planner: MarkPlanner::new(PREFIX, 8_000, 0).unwrap(),
            luck,
            text: "w ".repeat(WORDS),
            told: Vec::new(),
            last_sent_us: None,
            cleared: true,
        }
    }

    fn event(&mut self, at_us: u64, event: &Event<'_>) {
        self.timeline.handle_event(at_us, event);
        let (clock_ms, generated) = (self.timeline.stream_clock_ms(at_us), self.timeline.generated());
        self.transcript.handle_event(Moment { at_us, clock_ms, generated }, event);
        while let Some(placement) = self.timeline.poll_placement() {
            self.transcript.handle_placement(placement);
        }
        while self.timeline.poll_output().is_some() {}
    }

    fn mark(&mut self, at_us: u64, out: &mut Vec<ToProvider>) {
        let name = self.planner.name().to_owned();
        out.push(ToProvider::Mark(name[PREFIX.len()..].parse().unwrap()));
        self.event(at_us, &Event::MarkSent { name: &name });
    }

    fn tell(&mut self, at_us: u64) {
        let text = std::mem::take(&mut self.text);
        self.event(at_us, &Event::Said { speaker: Speaker::Assistant, text: &text, at_ms: None });
        self.text = text;
    }

    fn speech(&mut self, at_us: u64, first: u64, samples: u64) {
        let silent_us = self.last_sent_us.map_or(u64::MAX, |last_us| at_us - last_us);
        let new = self.cleared || silent_us > NEW_LINE_US;
        let line = new || self.luck.percent(3);
        // Of what begins anew, the words may be known only once it is being said.
        let behind = (self.cleared || silent_us > PAUSE_US) && self.luck.percent(50);
        if line {
            self.told.push((first, self.timeline.stream_clock_ms(at_us)));
            if !behind {
                self.tell(at_us);
            }
        }
        let bytes = vec![0x10; samples as usize];
        let (track, place, codec) = (Track::Assistant, Place::Queued, Codec::Mulaw);
        self.event(at_us, &Event::Audio { track, place, codec, bytes: &bytes });
        if line && behind {
            self.tell(at_us);
        }
        (self.last_sent_us, self.cleared) = (Some(at_us), false);
    }
}

impl Relay for Teller {
    fn bot_sent(&mut self, at_us: u64, sent: &ToProvider, out: &mut Vec<ToProvider>) {
        match *sent {
            ToProvider::Media { first, samples } => {
                if self.planner.before_audio(at_us) {
                    self.mark(at_us, out);
                }
                out.push(sent.clone());
                self.speech(at_us, first, samples);
                if self.planner.after_audio(at_us, samples) {
                    self.mark(at_us, out);
                }
            }
            ToProvider::Clear => {
                if self.planner.before_clear(at_us) {
                    self.mark(at_us, out);
                }
                out.push(sent.clone());
                self.event(at_us, &Event::Cleared);
                self.cleared = true;
                if self.planner.after_clear(at_us) {
                    self.mark(at_us, out);
                }
            }
            ToProvider::Mark(_) => unreachable!("these bots send none"),
        }
    }

    fn provider_sent(&mut self, at_us: u64, message: &FromProvider) {
        match *message {
            FromProvider::Caller { timestamp_ms } => {
                let (track, place) = (Track::Caller, Place::At(timestamp_ms));
                let event = Event::Audio { track, place, codec: Codec::Mulaw, bytes: &[0xff; 160] };
                self.event(at_us, &event);
            }
            FromProvider::Mark(number) => {
                self.event(at_us, &Event::MarkEchoed { name: &format!("{PREFIX}{number}") });
            }
        }
    }

    fn next_us(&self) -> Option<u64> {
        Some(self.planner.next_us())
    }

    fn wake(&mut self, at_us: u64, out: &mut Vec<ToProvider>) {
        if self.planner.wake(at_us) {
            self.mark(at_us, out);
        }
    }
}

/// By how much lines are off, in milliseconds.
#[derive(Default)]
struct Errors {
    /// Where they begin, of those whose first sample was heard.
    starts: Vec<f64>,
    /// How much speech was heard, of those of which some was not, or is said not to have been.
    cuts: Vec<f64>,
    /// How many of these nothing was heard of.
    unheard: usize,
}

impl Errors {
    /// Adds a line whose speech goes from `first` to `end`.
    fn add(&mut self, line: &Line, first: u64, end: u64, truth: &Truth) {
        if let Some(run) = truth.heard.iter().find(|run| run.holds(first)) {
            let place_ms = (run.at + first - run.first) as f64 / 8.0;
            self.starts.push((line.at_ms as f64 - place_ms).abs());
        }
        let samples = end - first;
        let heard: u64 = truth.heard.iter().map(|run| overlap(run, first, end)).sum();
        let words = line.heard.as_deref().map(|words| words.split_whitespace().count());
        assert_eq!(line.cut_off, words.is_some());
        if heard < samples || line.cut_off {
            let word = samples as f64 / WORDS as f64;
            let off = (words.unwrap_or(WORDS) as f64 * word - heard as f64).abs();
            self.cuts.push((off - word).max(0.0) / 8.0);
            self.unheard += usize::from(heard == 0);
        }
    }
}

fn overlap(run: &Run, first: u64, end: u64) -> u64 {
    (run.first + run.samples).min(end).saturating_sub(run.first.max(first))
}

/// The share, in percent, that is within 20 ms.
fn near(errors: &[f64]) -> f64 {
    let near = errors.iter().filter(|off| **off <= 20.0 + ROUNDING_MS).count();
    100.0 * near as f64 / errors.len() as f64
}

fn worst(errors: &[f64]) -> f64 {
    errors.iter().copied().fold(0.0, f64::max)
}

/// Lines are as exact as the speech that they are of; only in the last moments of a stream, of which no echo tells, a beginning
/// may be as far off as a cut.
fn check(kind: BotKind) {
    let mut errors = Errors::default();
    for seed in 0..CALLS {
        let mut luck = Luck::new(seed);
        let conditions = Conditions::drawn(&mut luck);
        let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed));
        let mut teller = Teller::new(&conditions, luck);
        let truth = simulate(bot, &conditions, seed, CALL_MS, &mut teller);
        teller.event(truth.ended_us, &Event::Ended { reason: EndReason::Stopped });
        let (lines, told) = (teller.transcript.into_lines(), teller.told);
        assert_eq!(lines.len(), told.len(), "seed {seed}");
        let ends = told.iter().skip(1).map(|(first, _)| *first).chain([truth.sent]);
        for ((line, (first, sent_ms)), end) in lines.iter().zip(&told).zip(ends) {
            assert!(line.at_ms + 20 >= *sent_ms, "seed {seed}: at {} ms before {sent_ms} ms", line.at_ms);
            errors.add(line, *first, end, &truth);
        }
    }
    let Errors { starts, cuts, unheard } = &errors;
    println!(
        "{kind:?}: {} lines begin within 20 ms in {:.2} %, worst {:.1} ms; of {} that were cut off, {unheard} of them before they \
         began, what was heard is within 20 ms in {:.2} %, worst {:.1} ms",
        starts.len(),
        near(starts),
        worst(starts),
        cuts.len(),
        near(cuts),
        worst(cuts)
    );
    let calls = CALLS as usize;
    assert!(starts.len() > 5 * calls && cuts.len() > calls && *unheard > 0, "{kind:?}: there are lines");
    let Promise { starts: (starts_near, _), cuts: (cuts_near, _), .. } = Promise::of(kind);
    assert!(near(starts) >= starts_near && worst(starts) <= 140.0, "{kind:?}");
    assert!(near(cuts) >= cuts_near && worst(cuts) <= 140.0, "{kind:?}");
}

#[test]
fn lines_of_a_bot_that_bursts_are_where_they_were_heard_and_end_where_they_were_cut() {
    check(BotKind::Bursting);
}

#[test]
fn lines_of_a_bot_that_paces_itself_are_where_they_were_heard_and_end_where_they_were_cut() {
    check(BotKind::Pacing);
}

#[test]
fn lines_of_a_bot_that_stalls_are_where_they_were_heard_and_end_where_they_were_cut() {
    check(BotKind::Stalling);
}

#[test]
fn lines_of_a_bot_that_sends_whole_sentences_are_where_they_were_heard_and_end_where_they_were_cut() {
    check(BotKind::AtOnce);
}
