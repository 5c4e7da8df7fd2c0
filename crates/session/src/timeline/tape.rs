//! One track as it is put together: pieces at their places, silence between them, given out from the beginning.

use std::collections::VecDeque;

/// A run of samples without a hole.
#[derive(Debug)]
struct Run {
    start: u64,
    samples: Vec<i16>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }
}

/// What became of a piece that was put on the tape.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Put {
    /// Samples that found their place.
    pub(super) placed: u64,
    /// Samples whose moment had been given out.
    pub(super) late: u64,
    /// Samples whose place was taken.
    pub(super) repeated: u64,
    /// Whether it was taken by other samples than these.
    pub(super) differs: bool,
}

/// Memory is what was put in and not yet given out, and at most two runs more.
#[derive(Debug)]
pub(super) struct Tape {
    /// A fifth of a second, in samples: so much is given out at once, and so long a run becomes.
    piece: usize,
    /// Everything before is given out.
    given: u64,
    /// Everything before can no longer change.
    settled: u64,
    end: u64,
    /// In order, without overlap, none ending before `given`.
    runs: VecDeque<Run>,
    spare: Vec<Vec<i16>>,
    out: Vec<i16>,
}

impl Tape {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            piece: rate.div_ceil(5) as usize,
            given: 0,
            settled: 0,
            end: 0,
            runs: VecDeque::new(),
            spare: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Where the last piece ends, in samples.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn given(&self) -> u64 {
        self.given
    }

    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    pub(super) fn has_output(&self) -> bool {
        self.given < self.settled
    }

    /// Puts samples at their place; what is settled or taken already stays as it is.
    pub(super) fn put(&mut self, start: u64, samples: &[i16]) -> Put {
        let late = (self.settled.max(start) - start).min(samples.len() as u64);
        let mut put = Put { late, ..Put::default() };
        let mut rest = &samples[late as usize..];
        let mut at = start + late;
        self.end = self.end.max(at + rest.len() as u64);
        if self.runs.back().is_none_or(|last| last.end() <= at) {
            put.placed = rest.len() as u64;
            self.append(at, rest);
            return put;
        }
        // Into the holes between what is there: rare, so the search is plain.
        let mut index = 0;
        while !rest.is_empty() {
            while index < self.runs.len() && self.runs[index].end() <= at {
                index += 1;
            }
            let hole = match self.runs.get(index) {
                Some(run) if run.start > at => run.start - at,
                Some(run) => {
                    let taken = (run.end() - at).min(rest.len() as u64);
                    put.repeated += taken;
                    let there = &run.samples[(at - run.start) as usize..];
                    put.differs |= there[..taken as usize] != rest[..taken as usize];
                    (at, rest) = (at + taken, &rest[taken as usize..]);
                    continue;
                }
                None => rest.len() as u64,
            };
            let (now, later) = rest.split_at(hole.min(rest.len() as u64) as usize);
            put.placed += now.len() as u64;
            self.runs.insert(index, Run { start: at, samples: now.to_vec() });
            (at, rest) = (at + now.len() as u64, later);
        }
        put
    }

    fn append(&mut self, at: u64, samples: &[i16]) {
        if samples.is_empty() {
            return;
        }
        match self.runs.back_mut() {
            Some(last) if last.end() == at && last.samples.len() + samples.len() <= self.piece => {
                last.samples.extend_from_slice(samples);
            }
            _ => {
                let mut room = self.spare.pop().unwrap_or_default();
                // No larger than it will be: a live call has a dozen of them for each track.
                room.reserve_exact(samples.len().max(self.piece));
                room.extend_from_slice(samples);
                self.runs.push_back(Run { start: at, samples: room });
            }
        }
    }

    /// Says that nothing before this place will change any more.
    pub(super) fn settle(&mut self, until: u64) {
        self.settled = self.settled.max(until);
    }

    /// The next settled samples, a fifth of a second at most, silence included; and where they begin. As large as what is given at once
    /// all buffers become that are behind it, and stay.
    pub(super) fn give(&mut self) -> (u64, &[i16]) {
        let start = self.given;
        let until = self.settled.min(start + self.piece as u64);
        self.out.clear();
        while let Some(run) = self.runs.front_mut() {
            if run.start >= until {
                break;
            }
            let silence = (run.start.max(self.given) - self.given) as usize;
            self.out.resize(self.out.len() + silence, 0);
            self.given += silence as u64;
            let from = (self.given - run.start) as usize;
            let to = (until.min(run.end()) - run.start) as usize;
            self.out.extend_from_slice(&run.samples[from..to]);
            self.given = run.start + to as u64;
            if self.given < run.end() {
                break;
            }
            if let Some(mut run) = self.runs.pop_front()
                && self.spare.len() < 2
                && run.samples.capacity() <= 10 * self.piece
            {
                run.samples.clear();
                self.spare.push(run.samples);
            }
        }
        self.out.resize((until - start) as usize, 0);
        self.given = until;
        (start, &self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(tape: &mut Tape, until: u64) -> Vec<i16> {
        tape.settle(until);
        let mut all = Vec::new();
        while tape.has_output() {
            let (start, samples) = tape.give();
            assert_eq!(start, all.len() as u64);
            assert!(!samples.is_empty() && samples.len() <= 2);
            all.extend_from_slice(samples);
        }
        all
    }

    #[test]
    fn pieces_are_silence_apart_and_long_silence_costs_no_memory() {
        let mut tape = Tape::new(10);
        assert_eq!(tape.put(2, &[1, 2]), Put { placed: 2, ..Put::default() });
        tape.put(4, &[3]);
        tape.put(1_000_000, &[4]);
        let out = all(&mut tape, 1_000_002);
        assert_eq!(out[..7], [0, 0, 1, 2, 3, 0, 0]);
        assert_eq!(out[999_999..], [0, 4, 0]);
        assert!(tape.out.capacity() < 100);
    }

    #[test]
    fn holes_are_filled_and_nothing_is_written_twice() {
        let mut tape = Tape::new(10);
        tape.put(0, &[1, 1]);
        tape.put(4, &[2, 2]);
        tape.put(8, &[3]);
        assert_eq!(tape.put(1, &[9; 9]), Put { placed: 5, late: 0, repeated: 4, differs: true });
        assert_eq!(all(&mut tape, 10), [1, 1, 9, 9, 2, 2, 9, 9, 3, 9]);
    }

    #[test]
    fn what_comes_again_is_told_from_what_finds_its_place_taken() {
        let mut tape = Tape::new(10);
        tape.put(0, &[1, 2, 3, 4]);
        let again = Put { repeated: 2, ..Put::default() };
        assert_eq!(tape.put(1, &[2, 3]), again);
        assert_eq!(tape.put(2, &[3, 4, 5]), Put { placed: 1, ..again });
        assert_eq!(tape.put(1, &[2, 7]), Put { differs: true, ..again });
    }

    #[test]
    fn what_is_settled_stays() {
        let mut tape = Tape::new(10);
        tape.put(0, &[1, 1, 1]);
        tape.settle(4);
        assert_eq!(tape.put(2, &[5; 4]), Put { placed: 2, late: 2, ..Put::default() });
        assert_eq!(tape.put(0, &[5; 2]), Put { late: 2, ..Put::default() });
        assert_eq!(all(&mut tape, 7), [1, 1, 1, 0, 5, 5, 0]);
    }
}
