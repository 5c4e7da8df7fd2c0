//! The bot's speech at its places, as bytes, until it is given out.

use std::collections::VecDeque;

use crate::timeline::noted::Noted;
use crate::timeline::rate::RateExt;
use crate::{Codec, Gap, GapWhy, Note, Playout as Report, Spurt, Track};

/// Bytes of memory that the store of speech may always keep, and how many times what it holds it may have beyond that: what a burst
/// needed goes behind it.
const KEEP: usize = 8 * 1024;
const MOST_SPARE: usize = 4;
/// The most stretches that are told apart though the caller heard nothing of them. What was heard is in one as long as it has no pause.
const MOST: usize = 65_536;

/// Speech that was received: how much, and which of it.
#[derive(Debug, Clone, Copy)]
pub(in crate::timeline) struct Sound {
    pub(in crate::timeline) samples: u64,
    codec: Codec,
    /// The number of its first sample among all that the bot sent.
    first: u64,
}

impl Sound {
    /// Takes in what was received next, if it is coded alike.
    pub(super) fn join(&mut self, next: Self) -> bool {
        let is_alike = self.codec == next.codec;
        if is_alike {
            self.samples += next.samples;
        }
        is_alike
    }
}

/// What became of some of the bot's speech; final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::timeline) enum Heard<'a> {
    /// It was heard.
    At {
        /// The number of its first sample among all that the bot sent.
        first: u64,
        /// Where, in samples of the track.
        start: u64,
        codec: Codec,
        bytes: &'a [u8],
    },
    /// It was cut, and never heard.
    Never { first: u64, samples: u64 },
}

#[derive(Debug)]
struct Run {
    start: u64,
    sound: Sound,
    /// How many samples of it are heard; the rest was cut.
    heard: u64,
    /// Whether an echo told its place.
    pinned: bool,
}

impl Run {
    fn end(&self) -> u64 {
        self.start + self.heard
    }
}

/// Where it is counted and noted what was given out.
pub(super) struct Account<'a> {
    pub(super) report: &'a mut Report,
    pub(super) noted: &'a mut Noted,
    pub(super) rate: u32,
}

/// What was placed, in order, and behind it the bytes of what was not placed yet.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: VecDeque<Run>,
    bytes: VecDeque<u8>,
    generated: u64,
    /// Everything before is given out.
    given: u64,
    /// Where what was given out last ends, and whether that was speech at all.
    last_end: Option<u64>,
    /// Where what is being given out began without a pause before, and whether an echo told that.
    spurt: Option<(u64, bool)>,
}

impl Runs {
    /// Whether more speech may be placed. There is room as long as speech is coded alike: each pause is a tick at least.
    pub(super) fn has_room(&self) -> bool {
        self.runs.len() <= MOST
    }

    /// Keeps the bytes of speech that was sent.
    pub(super) fn receive(&mut self, codec: Codec, bytes: &[u8]) -> Sound {
        let samples = (bytes.len() / codec.bytes_per_sample()) as u64;
        let sound = Sound { samples, codec, first: self.generated };
        self.generated += samples;
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            // By a quarter, where a queue by itself would double: each live call has one, some seconds long.
            self.bytes.reserve_exact(bytes.len().max(self.bytes.capacity() / 4));
        }
        self.bytes.extend(bytes);
        sound
    }

    pub(super) fn generated(&self) -> u64 {
        self.generated
    }

    pub(super) fn given(&self) -> u64 {
        self.given
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Places the next speech that was received.
    pub(super) fn place(&mut self, start: u64, sound: Sound, pinned: bool) {
        match self.runs.back_mut() {
            Some(last)
                if last.end() == start
                    && last.heard == last.sound.samples
                    && last.sound.codec == sound.codec =>
            {
                last.sound.samples += sound.samples;
                last.heard += sound.samples;
            }
            _ => {
                if self.runs.len() >= MOST {
                    self.join_unheard();
                }
                self.runs.push_back(Run { start, sound, heard: sound.samples, pinned });
            }
        }
    }

    /// What was placed last goes with what was placed before it, if all of it was cut.
    fn join_unheard(&mut self) {
        let Some(last) = self.runs.pop_back() else { return };
        let joins = |before: &mut Run| before.sound.join(last.sound);
        if last.heard > 0 || !self.runs.back_mut().is_some_and(joins) {
            self.runs.push_back(last);
        }
    }

    /// Moves what was placed last back by so many samples, as far as what is before it, or given out, allows. Returns by how
    /// many it was moved.
    pub(super) fn move_back(&mut self, samples: u64) -> u64 {
        let mut left = samples;
        let mut from = self.runs.len();
        while left > 0 && from > 0 {
            // Everything from `from` on is without a pause; what is before it is in the way, or given out.
            let first = from - 1;
            let start = self.runs[first].start;
            let before = match first.checked_sub(1).map(|before| &self.runs[before]) {
                Some(before) => before.end(),
                None => self.last_end.unwrap_or(0),
            };
            // Behind what was cut, speech may be that was to be heard before it.
            let earliest = self.runs.range(first..).fold(start, |earliest, run| earliest.min(run.start));
            let room = earliest.saturating_sub(before.max(self.given)).min(left);
            if start <= self.given {
                break;
            }
            for run in self.runs.range_mut(first..) {
                run.start -= room;
            }
            left -= room;
            from = first;
        }
        samples - left
    }

    /// Throws away what is heard at `place` or later. Returns how much that is, and whether some of it was given out already.
    pub(super) fn cut(&mut self, place: u64) -> (u64, bool) {
        let kept = place.max(self.given);
        let mut unheard = 0;
        for run in self.runs.iter_mut().rev().take_while(|run| run.end() > kept) {
            let heard = kept.saturating_sub(run.start).min(run.heard);
            unheard += run.heard - heard;
            run.heard = heard;
        }
        (unheard, place < self.given && unheard > 0)
    }

    /// Hands out what is heard before `until`, and what is never.
    pub(super) fn give(
        &mut self,
        until: u64,
        stall: u64,
        account: &mut Account<'_>,
        mut heard: impl FnMut(Heard<'_>),
    ) {
        while let Some(run) = self.runs.front_mut() {
            let Sound { samples, codec, first } = run.sound;
            let now = run.heard.min(until.saturating_sub(run.start));
            if now == 0 && (run.heard > 0 || run.start >= until) {
                break;
            }
            let width = codec.bytes_per_sample();
            if now > 0 {
                match self.last_end {
                    Some(end) if run.start <= end => {}
                    Some(end) if run.start - end < stall => {
                        account.underrun(end, run.start);
                    }
                    end => {
                        account.spurt(self.spurt, end);
                        self.spurt = Some((run.start, run.pinned));
                        account.report.spurts += 1;
                        account.report.spurts_pinned += u64::from(run.pinned);
                    }
                }
                let count = now as usize * width;
                // The ring's end may lie in the middle of a sample; straightened, it does not.
                if width > 1 && self.bytes.as_slices().0.len() < count {
                    self.bytes.make_contiguous();
                }
                let (front, back) = self.bytes.as_slices();
                let there = front.len().min(count);
                heard(Heard::At { first, start: run.start, codec, bytes: &front[..there] });
                if there < count {
                    let ahead = (there / width) as u64;
                    let bytes = &back[..count - there];
                    heard(Heard::At { first: first + ahead, start: run.start + ahead, codec, bytes });
                }
                self.bytes.drain(..count);
                run.start += now;
                run.heard -= now;
                run.sound.first += now;
                run.sound.samples = samples - now;
                self.last_end = Some(run.start);
            }
            if run.heard > 0 {
                break;
            }
            let Some(run) = self.runs.pop_front() else { break };
            if run.sound.samples > 0 {
                heard(Heard::Never { first: run.sound.first, samples: run.sound.samples });
                self.bytes.drain(..run.sound.samples as usize * width);
            }
        }
        self.given = self.given.max(until);
        if self.bytes.capacity() > KEEP.max(MOST_SPARE * self.bytes.len()) {
            self.bytes.shrink_to(KEEP.max(2 * self.bytes.len()));
        }
    }

    /// Notes the spurt that is over because everything is.
    pub(super) fn end_spurt(&mut self, account: &mut Account<'_>) {
        account.spurt(self.spurt.take(), self.last_end);
    }
}

impl Account<'_> {
    fn spurt(&mut self, began: Option<(u64, bool)>, end: Option<u64>) {
        if let (Some((begin, pinned)), Some(end)) = (began, end) {
            let (begin_ms, end_ms) = (self.rate.ms_of(begin), self.rate.ms_of(end));
            self.noted.push(Note::Spurt(Spurt { begin_ms, end_ms, pinned }));
        }
    }

    fn underrun(&mut self, begin: u64, end: u64) {
        self.report.underruns += 1;
        self.report.underrun_ms += self.rate.ms_of(end - begin);
        let (begin_ms, end_ms) = (self.rate.ms_of(begin), self.rate.ms_of(end));
        let why = GapWhy::Underrun;
        self.noted.push(Note::Gap(Gap { track: Track::Assistant, begin_ms, end_ms, why }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_cut_is_moved_back_as_far_as_what_was_heard_before_it_and_no_farther() {
        let mut runs = Runs::default();
        let [first, cut, last] = [(); 3].map(|()| runs.receive(Codec::Mulaw, &[0x10; 100]));
        runs.place(0, first, true);
        runs.place(1_000, cut, true);
        assert_eq!(runs.cut(500), (100, false));
        runs.place(500, last, true);
        assert_eq!(runs.move_back(900), 400);
        let (mut report, mut noted) = (Report::default(), Noted::default());
        let mut account = Account { report: &mut report, noted: &mut noted, rate: 8_000 };
        let mut heard = Vec::new();
        runs.give(u64::MAX, 3_200, &mut account, |what| match what {
            Heard::At { first, start, .. } => heard.push((first, Some(start))),
            Heard::Never { first, .. } => heard.push((first, None)),
        });
        assert_eq!(heard, [(0, Some(0)), (100, None), (200, Some(100))]);
    }

    #[test]
    fn the_memory_of_a_burst_goes_as_it_is_given_out() {
        let mut runs = Runs::default();
        let burst = runs.receive(Codec::Mulaw, &[0x10; 400_000]);
        runs.place(0, burst, true);
        let (mut report, mut noted) = (Report::default(), Noted::default());
        let mut account = Account { report: &mut report, noted: &mut noted, rate: 8_000 };
        for until in (1_600..=400_000).step_by(1_600) {
            runs.give(until, 3_200, &mut account, |_| {});
            let (held, room) = (runs.bytes.len(), runs.bytes.capacity());
            assert!(room <= KEEP.max(MOST_SPARE * held), "{room} for {held}");
        }
        assert!(runs.bytes.is_empty());
    }
}
