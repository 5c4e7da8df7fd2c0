//! The provider: a playout queue, marks, and a clock of its own.

use std::collections::VecDeque;

use crate::{Luck, Run, TICK_SAMPLES};

/// What the provider is sent. Speech is a run of sample numbers, so that every sample can be found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToProvider {
    /// Speech: so many samples from this one on.
    Media {
        /// The number of the first sample.
        first: u64,
        /// How many.
        samples: u64,
    },
    /// A mark.
    Mark(u64),
    /// Forget what is not yet played.
    Clear,
}

/// What the provider sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromProvider {
    /// 20 ms of the caller, dated in milliseconds since the stream began.
    Caller {
        /// The time at which it begins.
        timestamp_ms: u64,
    },
    /// The echo of a mark.
    Mark(u64),
}

/// Where the echo of a mark stands that was reached within a tick. No document says; it is taken for a constant of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echoes {
    /// Before the caller's frame of the same tick.
    BeforeFrame,
    /// Behind it.
    BehindFrame,
}

/// When marks come back that a clear throws away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// At once.
    AtOnce,
    /// With the next tick.
    WithNextTick,
    /// Never.
    Never,
}

/// What waits to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Speech { first: u64, samples: u64 },
    Mark(u64),
}

/// A clear that cut something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProviderCut {
    /// Which clear it was, counted from 0.
    pub clear: usize,
    /// Where, in samples since the stream began.
    pub at: u64,
    /// How many samples it cut.
    pub samples: u64,
}

/// A provider of media streams.
///
/// Its rules, and who says so. *Messages* is Twilio's page "Media Streams - WebSocket Messages", numbers are pages of Twilio's
/// error dictionary; *measured* is what others published of real calls (github.com/qisoft/i-hate-making-calls, 23 and 32).
/// No document says more. The rest is assumed, and [`Conditions`](crate::Conditions) vary it where a field is named.
///
/// The queue:
///
/// * Media of any size is queued and played in the order received: Messages, `media` to Twilio.
/// * Media, marks and clears keep their order among each other: follows from what Messages says of `mark` and `clear`.
/// * Beyond ten minutes no media is accepted: 31931. That of a message which does not fit as a whole the part is taken which
///   does: assumed, not varied. Marks are taken however many wait: assumed, not varied.
/// * Speech is played in ticks of 20 ms, in step with the caller's frames: assumed. When ticks begin is drawn with each call;
///   their length is not varied.
/// * What arrives within a tick is played from the next one on: assumed; without any further delay, or, where it meets an
///   empty queue, some ticks later: `hold_ticks`.
/// * Speech that ends in the middle of a tick is followed by what is queued behind it, or by silence up to the next tick:
///   assumed, `keeps_partial`.
///
/// Marks:
///
/// * A mark comes back when the audio before it has ended, or if none is buffered: Messages, `mark` to Twilio.
/// * It has ended with the tick in which its last sample is played, be that in the middle of it: assumed, not varied.
/// * The echo is sent with the caller's frame of that tick, before or behind it: assumed, `echoes` ([`Echoes`]).
/// * A mark that meets an empty queue comes back at once, and the queue is empty as soon as its last tick is begun, though that
///   still sounds: assumed; or it comes back with the next tick: `echoes_at_once`.
/// * Echoes keep the order of their marks: follows from the order of the queue. Some never come, or come up to five ticks late
///   and in order: assumed, `lost_echoes_percent` and `late_echoes_percent`.
///
/// Clears:
///
/// * A clear empties the queue and sends back the marks that wait in it: Messages, `clear` to Twilio. It does so in their order,
///   and spares what is behind it: follows from the order of the queue. They come back at once, or with the next tick, or never,
///   as those of other providers may: assumed, `flushed`.
/// * The tick that is being played when it arrives is played to its end: assumed, not varied.
///
/// The caller:
///
/// * Each frame has its time in milliseconds since the stream began: Messages, `media` from Twilio. That of the first need not
///   be 0: assumed, `first_frame_ms`.
/// * A frame holds 20 ms: measured. It is sent when its tick is played: assumed, not varied.
/// * Frames may be missing, and the time goes on: 31930, `lost_frames_permille`.
#[derive(Debug, Clone)]
pub struct Provider {
    echoes: Echoes,
    keeps_partial: bool,
    echoes_at_once: bool,
    flushed: Flushed,
    hold_ticks: u64,
    /// Nothing is played before this tick.
    held_until: u64,
    /// Marks that a clear threw away and that come back with the next tick.
    flushed_marks: Vec<u64>,
    first_frame_ms: u64,
    queue: VecDeque<Waiting>,
    queued: u64,
    tick: u64,
    heard: Vec<Run>,
    clears: usize,
    cuts: Vec<ProviderCut>,
    discarded: u64,
    lost_frames: u64,
    echo_troubles: (u64, u64, Luck),
    frame_troubles: (u64, Luck),
    /// Echoes that come late: at which tick, which.
    late: VecDeque<(u64, u64)>,
}

impl Provider {
    /// The most samples that are queued: ten minutes.
    pub const MOST_QUEUED: u64 = 600 * 8_000;

    /// A provider whose stream begins now.
    #[must_use]
    pub const fn new(echoes: Echoes) -> Self {
        Self {
            echoes,
            keeps_partial: true,
            echoes_at_once: true,
            flushed: Flushed::AtOnce,
            hold_ticks: 0,
            held_until: 0,
            flushed_marks: Vec::new(),
            first_frame_ms: 0,
            queue: VecDeque::new(),
            queued: 0,
            tick: 0,
            heard: Vec::new(),
            clears: 0,
            cuts: Vec::new(),
            discarded: 0,
            lost_frames: 0,
            echo_troubles: (0, 0, Luck::new(0)),
            frame_troubles: (0, Luck::new(0)),
            late: VecDeque::new(),
        }
    }

    /// Whether a tick is filled from the chunk behind one that ends in its middle. If not, the rest is silence.
    #[must_use]
    pub const fn keeps_partial(mut self, keeps: bool) -> Self {
        self.keeps_partial = keeps;
        self
    }

    /// Whether a mark that meets an empty queue comes back at once. If not, it comes back with the next tick.
    #[must_use]
    pub const fn echoes_at_once(mut self, at_once: bool) -> Self {
        self.echoes_at_once = at_once;
        self
    }

    /// When marks come back that a clear throws away.
    #[must_use]
    pub const fn flushing(mut self, flushed: Flushed) -> Self {
        self.flushed = flushed;
        self
    }

    /// How many ticks later than it could be speech is played that meets an empty queue.
    #[must_use]
    pub const fn holding(mut self, ticks: u64) -> Self {
        self.hold_ticks = ticks;
        self
    }

    /// The time that the caller's first frame has, in milliseconds; the stream is as old by then.
    #[must_use]
    pub const fn dating_from(mut self, first_frame_ms: u64) -> Self {
        self.first_frame_ms = first_frame_ms;
        self
    }

    /// Where the next tick begins, in samples since the stream began.
    const fn place(&self) -> u64 {
        self.first_frame_ms * 8 + self.tick * TICK_SAMPLES
    }

    /// How many echoes in a hundred never come, and how many come up to five ticks late.
    #[must_use]
    pub const fn echoing(mut self, lost_percent: u64, late_percent: u64, luck: Luck) -> Self {
        self.echo_troubles = (lost_percent, late_percent, luck);
        self
    }

    /// How many of the caller's frames in a thousand are missing.
    #[must_use]
    pub const fn losing(mut self, permille: u64, luck: Luck) -> Self {
        self.frame_troubles = (permille, luck);
        self
    }

    /// Takes a message; gives what it sends back at once.
    pub fn take(&mut self, message: &ToProvider) -> Vec<FromProvider> {
        let echoes = match *message {
            ToProvider::Media { first, samples } => {
                let taken = samples.min(Self::MOST_QUEUED.saturating_sub(self.queued));
                self.discarded += samples - taken;
                self.queued += taken;
                if taken > 0 {
                    if self.queued == taken {
                        self.held_until = self.tick + self.hold_ticks;
                    }
                    self.queue.push_back(Waiting::Speech { first, samples: taken });
                }
                Vec::new()
            }
            ToProvider::Mark(name)
                if self.echoes_at_once && self.queue.is_empty() && self.flushed_marks.is_empty() =>
            {
                vec![name]
            }
            ToProvider::Mark(name) => {
                self.queue.push_back(Waiting::Mark(name));
                Vec::new()
            }
            ToProvider::Clear => {
                if self.queued > 0 {
                    let (at, samples) = (self.place(), self.queued);
                    self.cuts.push(ProviderCut { clear: self.clears, at, samples });
                }
                self.clears += 1;
                self.queued = 0;
                let marks = self.queue.drain(..).filter_map(|waiting| match waiting {
                    Waiting::Mark(name) => Some(name),
                    Waiting::Speech { .. } => None,
                });
                let marks: Vec<u64> = marks.collect();
                match self.flushed {
                    Flushed::AtOnce => marks,
                    Flushed::WithNextTick => {
                        self.flushed_marks.extend(marks);
                        Vec::new()
                    }
                    Flushed::Never => Vec::new(),
                }
            }
        };
        self.echo(echoes)
    }

    /// Plays the next 20 ms, and sends the caller's frame of that time.
    pub fn tick(&mut self) -> Vec<FromProvider> {
        let (mut room, mut echoes) = (TICK_SAMPLES, std::mem::take(&mut self.flushed_marks));
        let begins = self.place();
        let held = self.tick < self.held_until;
        while let Some(waiting) = self.queue.front_mut() {
            match waiting {
                Waiting::Mark(name) => echoes.push(*name),
                Waiting::Speech { .. } if room == 0 || held => break,
                Waiting::Speech { first, samples } => {
                    let now = room.min(*samples);
                    let run = Run { first: *first, at: begins + TICK_SAMPLES - room, samples: now };
                    (*first, *samples, room, self.queued) =
                        (*first + now, *samples - now, room - now, self.queued - now);
                    let over = *samples == 0;
                    self.hear(run);
                    if !over {
                        break;
                    }
                    if !self.keeps_partial {
                        room = 0;
                    }
                }
            }
            self.queue.pop_front();
        }
        let mut echoes = self.echo(echoes);
        while self.late.front().is_some_and(|(tick, _)| *tick <= self.tick) {
            echoes.extend(self.late.pop_front().map(|(_, name)| FromProvider::Mark(name)));
        }
        let frame = FromProvider::Caller { timestamp_ms: self.first_frame_ms + self.tick * 20 };
        self.tick += 1;
        let lost = self.frame_troubles.0 > 0 && self.frame_troubles.1.between(0, 999) < self.frame_troubles.0;
        self.lost_frames += u64::from(lost);
        let frame = (!lost).then_some(frame);
        match self.echoes {
            Echoes::BeforeFrame => echoes.into_iter().chain(frame).collect(),
            Echoes::BehindFrame => frame.into_iter().chain(echoes).collect(),
        }
    }

    fn hear(&mut self, run: Run) {
        match self.heard.last_mut() {
            Some(last) if last.first + last.samples == run.first && last.at + last.samples == run.at => {
                last.samples += run.samples;
            }
            _ => self.heard.push(run),
        }
    }

    /// Sends marks back, but for those that get lost or wait. What is late keeps its place among the echoes.
    fn echo(&mut self, names: Vec<u64>) -> Vec<FromProvider> {
        let mut echoes = Vec::new();
        for name in names {
            let (lost, late, luck) = &mut self.echo_troubles;
            if *lost > 0 && luck.percent(*lost) {
                continue;
            }
            if *late > 0 && luck.percent(*late) {
                let tick = self.tick + luck.between(1, 5);
                self.late.push_back((tick.max(self.late.back().map_or(0, |(tick, _)| *tick)), name));
            } else if let Some((tick, _)) = self.late.back() {
                self.late.push_back((*tick, name));
            } else {
                echoes.push(FromProvider::Mark(name));
            }
        }
        echoes
    }

    /// What was heard, in order; the truth.
    #[must_use]
    pub fn heard(&self) -> &[Run] {
        &self.heard
    }

    /// Each clear that cut something.
    #[must_use]
    pub fn cuts(&self) -> &[ProviderCut] {
        &self.cuts
    }

    /// Samples beyond ten minutes.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded
    }

    /// Frames of the caller that were never sent.
    #[must_use]
    pub const fn lost_frames(&self) -> u64 {
        self.lost_frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_played_in_order_and_a_mark_comes_back_when_what_is_before_it_has_ended() {
        let mut provider = Provider::new(Echoes::BehindFrame);
        provider.take(&ToProvider::Media { first: 0, samples: 200 });
        assert_eq!(provider.take(&ToProvider::Mark(1)), []);
        provider.take(&ToProvider::Media { first: 200, samples: 40 });
        assert_eq!(provider.tick(), [FromProvider::Caller { timestamp_ms: 0 }]);
        assert_eq!(provider.tick(), [FromProvider::Caller { timestamp_ms: 20 }, FromProvider::Mark(1)]);
        assert_eq!(provider.heard(), [Run { first: 0, at: 0, samples: 240 }]);
        assert_eq!(provider.take(&ToProvider::Mark(2)), [FromProvider::Mark(2)], "nothing is buffered");
    }

    #[test]
    fn a_chunk_that_finds_the_queue_empty_begins_with_the_next_tick() {
        let mut provider = Provider::new(Echoes::BehindFrame);
        provider.take(&ToProvider::Media { first: 0, samples: 40 });
        provider.tick();
        provider.take(&ToProvider::Media { first: 40, samples: 40 });
        provider.tick();
        let heard = [Run { first: 0, at: 0, samples: 40 }, Run { first: 40, at: 160, samples: 40 }];
        assert_eq!(provider.heard(), heard);
    }

    #[test]
    fn a_mark_that_meets_an_empty_queue_comes_back_at_once_or_with_the_next_tick() {
        for (at_once, echoes) in
            [(true, Echoes::BehindFrame), (false, Echoes::BehindFrame), (false, Echoes::BeforeFrame)]
        {
            let mut provider = Provider::new(echoes).echoes_at_once(at_once);
            provider.take(&ToProvider::Media { first: 0, samples: 40 });
            provider.tick();
            let (frame, mark) = (FromProvider::Caller { timestamp_ms: 20 }, FromProvider::Mark(1));
            let taken = provider.take(&ToProvider::Mark(1));
            let then = match (at_once, echoes) {
                (true, _) => vec![frame],
                (false, Echoes::BehindFrame) => vec![frame, mark.clone()],
                (false, Echoes::BeforeFrame) => vec![mark.clone(), frame],
            };
            assert_eq!(taken, if at_once { vec![mark] } else { vec![] }, "the last tick still sounds");
            assert_eq!(provider.tick(), then);
        }
    }

    #[test]
    fn a_clear_cuts_what_was_not_played_and_sends_its_marks_back() {
        let mut provider = Provider::new(Echoes::BeforeFrame);
        provider.take(&ToProvider::Media { first: 0, samples: 1_000 });
        provider.take(&ToProvider::Mark(1));
        provider.tick();
        assert_eq!(provider.take(&ToProvider::Clear), [FromProvider::Mark(1)]);
        assert_eq!(provider.tick(), [FromProvider::Caller { timestamp_ms: 20 }]);
        assert_eq!(provider.heard(), [Run { first: 0, at: 0, samples: 160 }]);
        assert_eq!(provider.cuts(), [ProviderCut { clear: 0, at: 160, samples: 840 }]);
    }

    #[test]
    fn more_than_ten_minutes_are_discarded() {
        let mut provider = Provider::new(Echoes::BeforeFrame);
        provider.take(&ToProvider::Media { first: 0, samples: Provider::MOST_QUEUED - 10 });
        provider.take(&ToProvider::Media { first: 0, samples: 160 });
        assert_eq!(provider.discarded(), 150);
        assert_eq!(provider.take(&ToProvider::Mark(1)), [], "a mark is no audio");
        provider.take(&ToProvider::Clear);
        assert_eq!(provider.cuts()[0].samples, Provider::MOST_QUEUED, "what fits is taken");
    }

    #[test]
    fn echoes_that_are_late_stay_in_order() {
        let mut provider = Provider::new(Echoes::BehindFrame).echoing(0, 30, Luck::new(5));
        let mut echoed = Vec::new();
        for name in 0..1_000 {
            let messages = [provider.take(&ToProvider::Mark(name)), provider.tick()].concat();
            echoed.extend(messages.iter().filter_map(|message| match message {
                FromProvider::Mark(name) => Some(*name),
                FromProvider::Caller { .. } => None,
            }));
        }
        assert!(echoed.len() > 900 && echoed.iter().copied().eq(0..echoed.len() as u64));
    }
}
