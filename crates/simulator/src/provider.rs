//! The provider: a playout queue, marks, and a clock of its own.

use std::collections::VecDeque;

use crate::TICK_SAMPLES;

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

/// Where the echo of a mark stands that was reached within a tick. No document says; it is a constant of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echoes {
    /// Before the caller's frame of the same tick.
    BeforeFrame,
    /// Behind it.
    BehindFrame,
}

/// What waits to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Waiting {
    Speech { first: u64, samples: u64 },
    Mark(u64),
}

/// A provider of media streams.
///
/// Documented (Twilio, "Media Streams - WebSocket Messages"): media messages of any size are buffered and played in the
/// order received; a mark is sent back when the audio before it has ended, or at once if none is buffered; a clear
/// empties the buffer and sends back the marks that wait in it; beyond ten minutes audio is discarded.
///
/// Assumed: playing goes in ticks of 20 ms, in step with the caller's frames; a chunk that arrives within a tick is played from
/// the next one on; a tick whose audio ends in its middle is filled with silence, and what follows begins with the next
/// tick or goes on in the same, as [`keeps_partial`](Self::keeps_partial) says.
#[derive(Debug, Clone)]
pub struct Provider {
    echoes: Echoes,
    keeps_partial: bool,
    queue: VecDeque<Waiting>,
    queued: u64,
    tick: u64,
    /// The number of the sample that is heard at each place; the truth.
    heard: Vec<(u64, u64)>,
    cuts: Vec<(u64, u64)>,
    discarded: u64,
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
            queue: VecDeque::new(),
            queued: 0,
            tick: 0,
            heard: Vec::new(),
            cuts: Vec::new(),
            discarded: 0,
        }
    }

    /// Whether a tick is filled from the chunk behind one that ends in its middle. If not, the rest is silence.
    #[must_use]
    pub const fn keeps_partial(mut self, keeps: bool) -> Self {
        self.keeps_partial = keeps;
        self
    }

    /// Takes a message; gives what it sends back at once.
    pub fn take(&mut self, message: &ToProvider) -> Vec<FromProvider> {
        match *message {
            ToProvider::Media { first, samples } => {
                let taken = samples.min(Self::MOST_QUEUED.saturating_sub(self.queued));
                self.discarded += samples - taken;
                self.queued += taken;
                if taken > 0 {
                    self.queue.push_back(Waiting::Speech { first, samples: taken });
                }
                Vec::new()
            }
            ToProvider::Mark(name) if self.queue.is_empty() => vec![FromProvider::Mark(name)],
            ToProvider::Mark(name) => {
                self.queue.push_back(Waiting::Mark(name));
                Vec::new()
            }
            ToProvider::Clear => {
                if self.queued > 0 {
                    self.cuts.push((self.tick * TICK_SAMPLES, self.queued));
                }
                self.queued = 0;
                let marks = self.queue.drain(..).filter_map(|waiting| match waiting {
                    Waiting::Mark(name) => Some(FromProvider::Mark(name)),
                    Waiting::Speech { .. } => None,
                });
                marks.collect()
            }
        }
    }

    /// Plays the next 20 ms, and sends the caller's frame of that time.
    pub fn tick(&mut self) -> Vec<FromProvider> {
        let (mut room, mut echoes) = (TICK_SAMPLES, Vec::new());
        let begins = self.tick * TICK_SAMPLES;
        while let Some(waiting) = self.queue.front_mut() {
            match waiting {
                Waiting::Mark(name) => echoes.push(FromProvider::Mark(*name)),
                Waiting::Speech { .. } if room == 0 => break,
                Waiting::Speech { first, samples } => {
                    let now = room.min(*samples);
                    let at = begins + TICK_SAMPLES - room;
                    self.heard.extend((0..now).map(|n| (at + n, *first + n)));
                    (*first, *samples, room, self.queued) =
                        (*first + now, *samples - now, room - now, self.queued - now);
                    if *samples > 0 {
                        break;
                    }
                    if !self.keeps_partial {
                        room = 0;
                    }
                }
            }
            self.queue.pop_front();
        }
        let frame = FromProvider::Caller { timestamp_ms: self.tick * 20 };
        self.tick += 1;
        match self.echoes {
            Echoes::BeforeFrame => {
                echoes.push(frame);
                echoes
            }
            Echoes::BehindFrame => std::iter::once(frame).chain(echoes).collect(),
        }
    }

    /// Each sample that was heard: its place, in samples since the stream began, and its number.
    #[must_use]
    pub fn heard(&self) -> &[(u64, u64)] {
        &self.heard
    }

    /// Each clear that cut something: its place, and how many samples it cut.
    #[must_use]
    pub fn cuts(&self) -> &[(u64, u64)] {
        &self.cuts
    }

    /// Samples beyond ten minutes.
    #[must_use]
    pub const fn discarded(&self) -> u64 {
        self.discarded
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
        let heard: Vec<_> = (0..240).map(|n| (n, n)).collect();
        assert_eq!(provider.heard(), heard);
        assert_eq!(provider.take(&ToProvider::Mark(2)), [FromProvider::Mark(2)], "nothing is buffered");
    }

    #[test]
    fn a_clear_cuts_what_was_not_played_and_sends_its_marks_back() {
        let mut provider = Provider::new(Echoes::BeforeFrame);
        provider.take(&ToProvider::Media { first: 0, samples: 1_000 });
        provider.take(&ToProvider::Mark(1));
        provider.tick();
        assert_eq!(provider.take(&ToProvider::Clear), [FromProvider::Mark(1)]);
        assert_eq!(provider.tick(), [FromProvider::Caller { timestamp_ms: 20 }]);
        assert_eq!((provider.heard().len(), provider.cuts()), (160, [(160, 840)].as_slice()));
    }

    #[test]
    fn more_than_ten_minutes_are_discarded() {
        let mut provider = Provider::new(Echoes::BeforeFrame);
        provider.take(&ToProvider::Media { first: 0, samples: Provider::MOST_QUEUED - 10 });
        provider.take(&ToProvider::Media { first: 0, samples: 160 });
        assert_eq!(provider.discarded(), 150);
    }
}
