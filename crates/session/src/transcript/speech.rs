//! The bot's speech as a transcript sees it: by the number of a sample, when it was sent, where it was heard, and whether.

use std::collections::VecDeque;

use crate::Placement;

/// The bot begins to say something else if it has sent nothing for so long, in microseconds.
const PAUSE_US: u64 = 700_000;
/// A line that is told so long after its speech was sent, in microseconds, may still be that speech's.
const TOLD_LATE_US: u64 = 2_000_000;
/// How far before its speech, in milliseconds, the time of a line may be.
const WORDS_BEFORE_SPEECH_MS: u64 = 1_000;
/// How many placements are remembered for lines that are told late.
const REMEMBERED: usize = 256;
/// How many utterances and stretches are told apart. Pauses in sending make no more in 48 hours; behind so many, lines are told whole.
const MOST: usize = 262_144;

/// What was sent without a pause in sending.
#[derive(Debug, Clone, Copy)]
struct Utterance {
    first: u64,
    /// When that was sent, in milliseconds of the stream clock.
    sent_ms: u64,
    /// Whether a line was told for it.
    told: bool,
}

#[derive(Debug)]
pub(super) struct Speech {
    rate: u32,
    generated: u64,
    last_sent_us: Option<u64>,
    /// What is sent next is something else.
    over: bool,
    utterance: Utterance,
    /// The number of the first sample of each utterance.
    utterances: Vec<u64>,
    /// The latest, as they came.
    recent: VecDeque<Placement>,
    /// All: where a stretch of heard or of unheard speech ends, and which of the two it is.
    stretches: Vec<(u64, bool)>,
}

impl Speech {
    pub(super) const fn new(rate: u32) -> Self {
        Self {
            rate,
            generated: 0,
            last_sent_us: None,
            over: true,
            utterance: Utterance { first: 0, sent_ms: 0, told: false },
            utterances: Vec::new(),
            recent: VecDeque::new(),
            stretches: Vec::new(),
        }
    }

    /// The bot has sent speech; it is `generated` samples by now.
    pub(super) fn sent(&mut self, at_us: u64, clock_ms: u64, generated: u64) {
        if generated <= self.generated {
            return;
        }
        let paused = self.last_sent_us.is_none_or(|last_us| at_us.saturating_sub(last_us) > PAUSE_US);
        if self.over || paused {
            // A line that was told for what comes next is its own.
            let told = self.utterance.told && self.utterance.first == self.generated;
            self.utterance = Utterance { first: self.generated, sent_ms: clock_ms, told };
            if self.utterances.len() < MOST {
                self.utterances.push(self.generated);
            }
            self.over = false;
        }
        self.generated = generated;
        self.last_sent_us = Some(at_us);
    }

    /// What was sent before is over, one way or another.
    pub(super) const fn cleared(&mut self) {
        self.over = true;
    }

    /// The first sample of the speech of a line that is told now, and when the bot came to it: when that was sent, or now.
    pub(super) fn claim(&mut self, at_us: u64, clock_ms: u64) -> (u64, u64) {
        let late = self.last_sent_us.is_some_and(|last_us| at_us.saturating_sub(last_us) <= TOLD_LATE_US);
        if self.utterance.told || !late || self.utterance.first == self.generated {
            self.utterance = Utterance { first: self.generated, sent_ms: clock_ms, told: true };
        }
        self.utterance.told = true;
        (self.utterance.first, self.utterance.sent_ms)
    }

    pub(super) fn placed(&mut self, placement: Placement) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(placement);
        if self.stretches.len() == MOST {
            return;
        }
        let (end, heard) = (placement.first + placement.samples, placement.start.is_some());
        match self.stretches.last_mut() {
            Some((last_end, last_heard)) if *last_heard == heard => *last_end = end,
            _ => self.stretches.push((end, heard)),
        }
    }

    /// Where a sample was heard, in milliseconds of the stream clock; of a sample that was not, where the speech before it was
    /// over or cut, if the bot had come to it by `begun_ms`, else then.
    pub(super) fn place_of(&self, sample: u64, begun_ms: u64) -> Option<u64> {
        let index = self.recent.iter().rposition(|placement| placement.holds(sample))?;
        let placement = self.recent[index];
        match placement.start {
            Some(start) => Some(self.ms_of(start + sample - placement.first)),
            None => {
                let before = self.recent.iter().take(index).rev().find(|before| before.start.is_some())?;
                Some(self.ms_of(before.start? + before.samples).max(begun_ms))
            }
        }
    }

    /// The sample that was heard at this time, or shortly after it.
    pub(super) fn heard_at(&self, at_ms: u64) -> Option<u64> {
        self.recent.iter().find_map(|placement| {
            let start = placement.start?;
            let (from_ms, to_ms) = (self.ms_of(start), self.ms_of(start + placement.samples));
            let near = at_ms.saturating_add(WORDS_BEFORE_SPEECH_MS) >= from_ms && at_ms < to_ms;
            // Of a time that is not near, the sample would be beyond all numbers: a bot may say any.
            near.then(|| placement.first + at_ms.saturating_sub(from_ms) * u64::from(self.rate) / 1000)
        })
    }

    /// How many samples from `first` to `end`, or to the end of what was being said, were heard, and how many were not.
    pub(super) fn heard_of(&self, first: u64, end: u64) -> (u64, u64) {
        let over = self.utterances.get(self.utterances.partition_point(|begun| *begun <= first));
        let end = over.map_or(end, |over| end.min(*over));
        let index = self.stretches.partition_point(|(to, _)| *to <= first);
        let mut from = index.checked_sub(1).map_or(0, |before| self.stretches[before].0);
        let (mut heard, mut unheard) = (0, 0);
        for (to, was_heard) in &self.stretches[index..] {
            if from >= end {
                break;
            }
            let samples = (*to).min(end).saturating_sub(from.max(first));
            *if *was_heard { &mut heard } else { &mut unheard } += samples;
            from = *to;
        }
        (heard, unheard)
    }

    pub(super) fn ms_of(&self, sample: u64) -> u64 {
        sample.saturating_mul(1000) / u64::from(self.rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_many_utterances_that_are_cut_no_more_are_kept_and_their_lines_are_whole() {
        let mut speech = Speech::new(8_000);
        // Of two samples each one is cut.
        for n in 0..200_000 {
            speech.sent(0, 0, 2 * n + 2);
            speech.cleared();
            speech.placed(Placement { first: 2 * n, samples: 1, start: Some(n) });
            speech.placed(Placement { first: 2 * n + 1, samples: 1, start: None });
        }
        assert_eq!((speech.utterances.len(), speech.stretches.len()), (200_000, 262_144));
        for n in 200_000..300_000 {
            speech.sent(0, 0, 2 * n + 2);
            speech.cleared();
        }
        assert_eq!(speech.utterances.len(), 262_144);
        assert_eq!(speech.heard_of(131_072, u64::MAX), (1, 1));
        assert_eq!(speech.heard_of(399_998, u64::MAX), (0, 0));
    }
}
