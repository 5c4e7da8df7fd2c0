//! callrec between bot and provider: forwards, sends marks, and says what was heard.

use std::borrow::Cow;

use callrec_session::{
    Codec, Completeness, EndReason, Event, MarkEchoes, MarkPlanner, Note, Place, StreamStart, Timeline,
    TimelineLimits, Topology, Track,
};
use callrec_simulator::{
    BOT_MARKS, Claim, Conditions, Echoes, FromProvider, Luck, Relay, Run, TICK_SAMPLES, ToProvider,
};

const PREFIX: &str = "callrec-0123456789";
/// Samples say their numbers, modulo a count so large that none can be meant twice within the horizon. 0 is silence.
const NUMBERS: u64 = 65_535;

/// How callrec is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marks {
    /// It sends marks of its own.
    Own,
    /// It sends none.
    Off,
}

/// What becomes of echoes between provider and callrec.
#[derive(Debug, Clone)]
pub(crate) enum Echoing {
    /// Each comes.
    Well,
    /// None comes.
    Never,
    /// None comes after this moment.
    Until(u64),
    /// So many in a hundred come twice.
    Twice(u64, Luck),
}

impl Echoing {
    /// How often an echo comes.
    fn times(&mut self, at_us: u64) -> usize {
        match self {
            Self::Well => 1,
            Self::Never => 0,
            Self::Until(end_us) => usize::from(at_us < *end_us),
            Self::Twice(percent, luck) => 1 + usize::from(luck.percent(*percent)),
        }
    }
}

/// What was recorded.
pub(crate) struct Recording {
    /// The assistant's speech, in the order in which it was sent.
    pub(crate) heard: Vec<Run>,
    pub(crate) completeness: Completeness,
    /// What became of the assistant's speech.
    pub(crate) notes: Vec<Note>,
    /// Samples of the caller that are not what was sent for their place, silence for frames that came excepted.
    pub(crate) wrong_caller_samples: u64,
}

impl Recording {
    /// What it says of its own accuracy.
    pub(crate) fn claim(&self) -> Claim {
        let playout = self.completeness.playout.clone().unwrap_or_default();
        Claim {
            calibrated: playout.calibrated,
            largest_error_ms: playout.largest_error_ms.unwrap_or(0),
            late_news: playout.late_news,
        }
    }
}

/// What records.
pub(crate) struct Recorder {
    timeline: Timeline,
    planner: Option<MarkPlanner>,
    echoing: Echoing,
    heard: Vec<Run>,
    /// The places of the caller's frames that arrived, in samples.
    frames: std::collections::HashSet<u64>,
    first_frame: u64,
    wrong_caller_samples: u64,
    /// Where the caller's track ends, and where its last frame does, in samples.
    caller_end: u64,
    last_frame_end: u64,
    /// The number of the last sample that was heard.
    last: u64,
    bytes: Vec<u8>,
}

impl Recorder {
    pub(crate) fn new(conditions: &Conditions, marks: Marks, horizon_ms: u64) -> Self {
        let mut limits = TimelineLimits::default();
        limits.horizon_ms = horizon_ms;
        let mut start = StreamStart::new("CA1", "MZ1", Topology::Relay);
        start.mark_echoes = match conditions.echoes {
            Echoes::BeforeFrame => MarkEchoes::BeforeFrame,
            Echoes::BehindFrame => MarkEchoes::BehindFrame,
        };
        let mut timeline = Timeline::new(limits);
        timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
        let planner = (marks == Marks::Own).then(|| MarkPlanner::new(PREFIX, 8_000, 0)).flatten();
        Self {
            timeline,
            planner,
            echoing: Echoing::Well,
            heard: Vec::new(),
            frames: std::collections::HashSet::new(),
            first_frame: conditions.first_frame_ms * 8,
            wrong_caller_samples: 0,
            caller_end: 0,
            last_frame_end: 0,
            last: 0,
            bytes: Vec::new(),
        }
    }

    /// The same, with echoes that come as they will.
    pub(crate) fn echoing(mut self, echoing: Echoing) -> Self {
        self.echoing = echoing;
        self
    }

    /// Ends the call.
    pub(crate) fn finish(mut self, at_us: u64) -> Recording {
        self.event(at_us, &Event::Ended { reason: EndReason::Stopped });
        assert!(self.caller_end >= self.last_frame_end, "the caller's track has all of the last frame");
        let Self { mut heard, mut timeline, wrong_caller_samples, .. } = self;
        heard.sort_unstable_by_key(|run| run.first);
        let notes = std::iter::from_fn(|| timeline.poll_note()).collect();
        Recording { heard, completeness: timeline.completeness(), notes, wrong_caller_samples }
    }

    fn event(&mut self, at_us: u64, event: &Event<'_>) {
        self.timeline.handle_event(at_us, event);
        while self.timeline.poll_placement().is_some() {}
        while let Some(stretch) = self.timeline.poll_output() {
            if stretch.track == Track::Caller {
                self.caller_end = stretch.start + stretch.samples.len() as u64;
            }
            for (at, sample) in (stretch.start..).zip(stretch.samples) {
                if stretch.track == Track::Caller {
                    let within = (at + TICK_SAMPLES - self.first_frame % TICK_SAMPLES) % TICK_SAMPLES;
                    let frame = at.checked_sub(within);
                    let came = frame.is_some_and(|frame| self.frames.contains(&frame));
                    let expected = if came { caller_sample(at) } else { 0 };
                    self.wrong_caller_samples += u64::from(*sample != expected);
                } else if *sample != 0 {
                    let residue = u64::from(sample.cast_unsigned()) - 1;
                    let number = self.last + (residue + NUMBERS - self.last % NUMBERS) % NUMBERS;
                    self.last = number;
                    match self.heard.last_mut() {
                        Some(run) if run.first + run.samples == number && run.at + run.samples == at => {
                            run.samples += 1;
                        }
                        _ => self.heard.push(Run { first: number, at, samples: 1 }),
                    }
                }
            }
        }
    }

    fn audio(&mut self, at_us: u64, track: Track, place: Place, samples: impl Iterator<Item = i16>) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.extend(samples.flat_map(i16::to_le_bytes));
        self.event(at_us, &Event::Audio { track, place, codec: Codec::Pcm16, bytes: &bytes });
        self.bytes = bytes;
    }

    fn mark(&mut self, at_us: u64, out: &mut Vec<ToProvider>) {
        let Some(planner) = &mut self.planner else { return };
        let name = planner.name().to_owned();
        out.push(ToProvider::Mark(name[PREFIX.len()..].parse().unwrap()));
        self.event(at_us, &Event::MarkSent { name: &name });
    }

    fn asks(&mut self, ask: impl FnOnce(&mut MarkPlanner) -> bool) -> bool {
        self.planner.as_mut().is_some_and(ask)
    }
}

impl Relay for Recorder {
    fn bot_sent(&mut self, at_us: u64, sent: &ToProvider, out: &mut Vec<ToProvider>) {
        match *sent {
            ToProvider::Media { first, samples } => {
                if self.asks(|planner| planner.before_audio(at_us)) {
                    self.mark(at_us, out);
                }
                out.push(sent.clone());
                let numbers = (first..first + samples).map(|n| ((n % NUMBERS + 1) as u16).cast_signed());
                self.audio(at_us, Track::Assistant, Place::Queued, numbers);
                if self.asks(|planner| planner.after_audio(at_us, samples)) {
                    self.mark(at_us, out);
                }
            }
            ToProvider::Clear => {
                if self.asks(|planner| planner.before_clear(at_us)) {
                    self.mark(at_us, out);
                }
                out.push(sent.clone());
                self.event(at_us, &Event::Cleared);
                if self.asks(|planner| planner.after_clear(at_us)) {
                    self.mark(at_us, out);
                }
            }
            ToProvider::Mark(number) => {
                out.push(sent.clone());
                let name = format!("the bot's {number}");
                if let Some(planner) = &mut self.planner {
                    planner.after_mark(at_us, &name);
                }
                self.event(at_us, &Event::MarkSent { name: &name });
            }
        }
    }

    fn provider_sent(&mut self, at_us: u64, message: &FromProvider) {
        match *message {
            FromProvider::Caller { timestamp_ms } => {
                let at = timestamp_ms * 8;
                self.frames.insert(at);
                self.last_frame_end = self.last_frame_end.max(at + TICK_SAMPLES);
                let samples = (at..at + TICK_SAMPLES).map(caller_sample);
                self.audio(at_us, Track::Caller, Place::At(timestamp_ms), samples);
            }
            FromProvider::Mark(number) => {
                let whose = if number >= BOT_MARKS { "the bot's " } else { PREFIX };
                for _ in 0..self.echoing.times(at_us) {
                    self.event(at_us, &Event::MarkEchoed { name: &format!("{whose}{number}") });
                }
            }
        }
    }

    fn next_us(&self) -> Option<u64> {
        self.planner.as_ref().map(MarkPlanner::next_us)
    }

    fn wake(&mut self, at_us: u64, out: &mut Vec<ToProvider>) {
        if self.asks(|planner| planner.wake(at_us)) {
            self.mark(at_us, out);
        }
    }
}

/// What the caller sends for this place: never silence, and nowhere near it the same.
fn caller_sample(at: u64) -> i16 {
    ((at % 30_011) as i16) + 1
}
