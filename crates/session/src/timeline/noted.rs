//! Notes that wait to be asked for, and gaps that may still be filled.

use std::collections::VecDeque;

use crate::Note;

/// The most that wait to be asked for.
const MOST: usize = 4_096;

/// Notes that are final. If nobody asks, the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Noted {
    waiting: VecDeque<Note>,
}

impl Noted {
    pub(super) fn push(&mut self, note: Note) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(note);
    }

    pub(super) fn poll(&mut self) -> Option<Note> {
        self.waiting.pop_front()
    }
}

/// Stretches of one track that never came, until they come after all; in samples, in order.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    open: VecDeque<(u64, u64)>,
}

impl Gaps {
    /// Audio is missing from `begin` to `end`, behind all that is missing before.
    pub(super) fn open(&mut self, begin: u64, end: u64) {
        if begin >= end {
            return;
        }
        if self.open.len() == MOST {
            self.open.pop_front();
        }
        self.open.push_back((begin, end));
    }

    /// Audio came for this stretch. What is left of a gap on both sides of it are two.
    pub(super) fn fill(&mut self, begin: u64, end: u64) {
        let mut index = self.open.partition_point(|gap| gap.1 <= begin);
        while let Some(&(from, to)) = self.open.get(index)
            && from < end
        {
            self.open.remove(index);
            for (from, to) in [(from, to.min(begin)), (from.max(end), to)] {
                if from < to {
                    self.open.insert(index, (from, to));
                    index += 1;
                }
            }
            if self.open.len() > MOST {
                self.open.pop_front();
                index -= 1;
            }
        }
    }

    /// The next gap that no audio can fill any more.
    pub(super) fn poll(&mut self, settled: u64) -> Option<(u64, u64)> {
        self.open.front().is_some_and(|gap| gap.1 <= settled).then(|| self.open.pop_front()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cut, CutBy};

    #[test]
    fn what_comes_after_all_is_no_gap_any_more() {
        let mut gaps = Gaps::default();
        gaps.open(10, 20);
        gaps.open(30, 40);
        gaps.open(50, 60);
        gaps.fill(0, 10);
        gaps.fill(14, 16);
        gaps.fill(18, 35);
        gaps.fill(50, 60);
        let left: Vec<_> = std::iter::from_fn(|| gaps.poll(35)).collect();
        assert_eq!(left, [(10, 14), (16, 18)]);
        assert_eq!(gaps.poll(100), Some((35, 40)));
        assert_eq!(gaps.poll(100), None);
    }

    #[test]
    fn of_notes_and_gaps_that_nobody_asks_for_the_oldest_are_forgotten() {
        let mut noted = Noted::default();
        for at_ms in 0..5_000 {
            noted.push(Note::Cut(Cut { at_ms, unheard_ms: 1, pinned: false, by: CutBy::End }));
        }
        let Some(Note::Cut(first)) = noted.poll() else { panic!("it has notes") };
        assert_eq!((first.at_ms, 1 + std::iter::from_fn(|| noted.poll()).count()), (904, 4_096));

        let mut gaps = Gaps::default();
        (0..5_000).for_each(|n| gaps.open(n * 10, n * 10 + 5));
        assert_eq!((gaps.open.len(), gaps.poll(u64::MAX)), (4_096, Some((9_040, 9_045))));
        // A gap that is filled in many places is many.
        let mut gaps = Gaps::default();
        gaps.open(0, 20_000);
        (0..10_000).for_each(|n| gaps.fill(n * 2, n * 2 + 1));
        assert_eq!((gaps.open.len(), gaps.poll(u64::MAX)), (4_096, Some((11_809, 11_810))));
    }
}
