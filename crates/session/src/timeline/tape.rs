//! One track as it is put together: pieces at their places, silence between them, given out from the beginning.

use std::collections::VecDeque;

use super::piece::Piece;
use crate::Codec;

/// A run of samples without a hole, as they came.
#[derive(Debug)]
struct Run {
    start: u64,
    codec: Codec,
    /// Whole samples.
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.piece().len()
    }

    fn piece(&self) -> Piece<'_> {
        Piece { codec: self.codec, bytes: &self.bytes }
    }

    /// From this place to that, both within it.
    fn part(&self, from: u64, to: u64) -> Piece<'_> {
        self.piece().split_at(from - self.start).1.split_at(to - from).0
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

/// Memory is what was put in and not yet given out, as it came (a live call has seconds of it), and at most two runs more.
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
    spare: Vec<Vec<u8>>,
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

    /// Puts a piece at its place; what is settled or taken already stays as it is.
    pub(super) fn put(&mut self, start: u64, piece: Piece<'_>) -> Put {
        let late = (self.settled.max(start) - start).min(piece.len());
        let mut put = Put { late, ..Put::default() };
        let mut rest = piece.split_at(late).1;
        let mut at = start + late;
        self.end = self.end.max(at + rest.len());
        if self.runs.back().is_none_or(|last| last.end() <= at) {
            put.placed = rest.len();
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
                    let (now, later) = rest.split_at((run.end() - at).min(rest.len()));
                    put.repeated += now.len();
                    put.differs |= !run.part(at, at + now.len()).sounds_like(now);
                    (at, rest) = (at + now.len(), later);
                    continue;
                }
                None => rest.len(),
            };
            let (now, later) = rest.split_at(hole.min(rest.len()));
            put.placed += now.len();
            self.runs.insert(index, Run { start: at, codec: now.codec, bytes: now.bytes.to_vec() });
            (at, rest) = (at + now.len(), later);
        }
        put
    }

    fn append(&mut self, at: u64, piece: Piece<'_>) {
        let Piece { codec, bytes } = piece;
        if bytes.is_empty() {
            return;
        }
        let most = self.piece * codec.bytes_per_sample();
        match self.runs.back_mut() {
            Some(last)
                if last.end() == at && last.codec == codec && last.bytes.len() + bytes.len() <= most =>
            {
                last.bytes.extend_from_slice(bytes);
            }
            _ => {
                let mut room = self.spare.pop().unwrap_or_default();
                // No larger than it will be: a live call has a dozen of them for each track.
                room.reserve_exact(bytes.len().max(most));
                room.extend_from_slice(bytes);
                self.runs.push_back(Run { start: at, codec, bytes: room });
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
            let to = until.min(run.end());
            run.part(self.given, to).decode(&mut self.out);
            self.given = to;
            if self.given < run.end() {
                break;
            }
            if let Some(mut run) = self.runs.pop_front()
                && self.spare.len() < 2
                && run.bytes.capacity() <= 10 * self.piece
            {
                run.bytes.clear();
                self.spare.push(run.bytes);
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

    impl Tape {
        fn put_samples(&mut self, start: u64, samples: &[i16]) -> Put {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            self.put(start, Piece::new(Codec::Pcm16, &bytes))
        }
    }

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
        assert_eq!(tape.put_samples(2, &[1, 2]), Put { placed: 2, ..Put::default() });
        tape.put_samples(4, &[3]);
        tape.put_samples(1_000_000, &[4]);
        let out = all(&mut tape, 1_000_002);
        assert_eq!(out[..7], [0, 0, 1, 2, 3, 0, 0]);
        assert_eq!(out[999_999..], [0, 4, 0]);
        assert!(tape.out.capacity() < 100);
    }

    #[test]
    fn holes_are_filled_and_nothing_is_written_twice() {
        let mut tape = Tape::new(10);
        tape.put_samples(0, &[1, 1]);
        tape.put_samples(4, &[2, 2]);
        tape.put_samples(8, &[3]);
        assert_eq!(tape.put_samples(1, &[9; 9]), Put { placed: 5, late: 0, repeated: 4, differs: true });
        assert_eq!(all(&mut tape, 10), [1, 1, 9, 9, 2, 2, 9, 9, 3, 9]);
    }

    #[test]
    fn what_comes_again_is_told_from_what_finds_its_place_taken() {
        let mut tape = Tape::new(10);
        tape.put_samples(0, &[1, 2, 3, 4]);
        let again = Put { repeated: 2, ..Put::default() };
        assert_eq!(tape.put_samples(1, &[2, 3]), again);
        assert_eq!(tape.put_samples(2, &[3, 4, 5]), Put { placed: 1, ..again });
        assert_eq!(tape.put_samples(1, &[2, 7]), Put { differs: true, ..again });
    }

    #[test]
    fn what_is_settled_stays() {
        let mut tape = Tape::new(10);
        tape.put_samples(0, &[1, 1, 1]);
        tape.settle(4);
        assert_eq!(tape.put_samples(2, &[5; 4]), Put { placed: 2, late: 2, ..Put::default() });
        assert_eq!(tape.put_samples(0, &[5; 2]), Put { late: 2, ..Put::default() });
        assert_eq!(all(&mut tape, 7), [1, 1, 1, 0, 5, 5, 0]);
    }

    #[test]
    fn pieces_may_be_coded_each_in_its_own_way_and_a_sample_is_the_same_by_any_code() {
        let mut tape = Tape::new(10);
        tape.put(0, Piece::new(Codec::Mulaw, &[0xff, 0x00]));
        tape.put(2, Piece::new(Codec::Pcm16, &[1, 0, 2, 0, 3, 0]));
        tape.put(5, Piece::new(Codec::Alaw, &[0x2a]));
        // The other code of 0, and the loudest as it is decoded.
        assert_eq!(tape.put(0, Piece::new(Codec::Mulaw, &[0x7f])), Put { repeated: 1, ..Put::default() });
        assert_eq!(tape.put_samples(1, &[-32_124, 1]), Put { repeated: 2, ..Put::default() });
        assert_eq!(all(&mut tape, 6), [0, -32_124, 1, 2, 3, -32_256]);
    }
}
