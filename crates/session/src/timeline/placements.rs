//! What became of the bot's speech, sample by sample, in the order in which it was sent.

use std::collections::VecDeque;

/// The most that wait to be asked for.
const MOST: usize = 4_096;

/// Speech of the bot, by its number among all that it sent, and where the caller heard it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placement {
    /// The number of the first sample, counted from 0.
    pub first: u64,
    /// How many samples.
    pub samples: u64,
    /// Where the first one was heard, in samples of the track since the stream began; none if it was cut.
    pub start: Option<u64>,
}

impl Placement {
    /// Whether the sample of this number is among them.
    #[must_use]
    pub const fn holds(&self, sample: u64) -> bool {
        self.first <= sample && sample - self.first < self.samples
    }
}

/// Placements that wait to be asked for. If nobody asks, the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Placements {
    waiting: VecDeque<Placement>,
}

impl Placements {
    pub(super) fn push(&mut self, placement: Placement) {
        let continues = |last: &Placement| {
            last.first + last.samples == placement.first
                && last.start.map(|start| start + last.samples) == placement.start
        };
        match self.waiting.back_mut() {
            Some(last) if continues(last) => last.samples += placement.samples,
            _ => {
                if self.waiting.len() == MOST {
                    self.waiting.pop_front();
                }
                self.waiting.push_back(placement);
            }
        }
    }

    pub(super) fn poll(&mut self) -> Option<Placement> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_placements_that_nobody_asks_for_the_oldest_are_forgotten_and_what_goes_on_is_one() {
        let mut placements = Placements::default();
        (0..5_000).for_each(|n| placements.push(Placement { first: n, samples: 1, start: Some(n * 2) }));
        (5_000..6_000).for_each(|n| placements.push(Placement { first: n, samples: 1, start: None }));
        let all: Vec<_> = std::iter::from_fn(|| placements.poll()).collect();
        assert_eq!((all.len(), all[0].first), (4_096, 905));
        assert_eq!(all[4_095], Placement { first: 5_000, samples: 1_000, start: None });
    }
}
