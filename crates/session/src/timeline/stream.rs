//! The two tracks of a stream, its clock, and a relay's queue, together.

use super::clock::StreamClock;
use super::noted::Gaps;
use super::piece::Piece;
use super::placing::Placer;
use super::playout::{Heard, Playout};
use super::rate::RateExt;
use super::tape::Tape;
use super::{Placement, Placements, TimelineLimits};
use crate::{Codec, Gap, GapWhy, Note, Place, StreamStart, Topology, Track, TrackReport};

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) start: StreamStart,
    pub(super) clock: StreamClock,
    pub(super) caller: Lane,
    pub(super) assistant: Lane,
    /// Of a relay.
    pub(super) playout: Playout,
}

/// A track, its pieces' places, and what happened to them, in samples.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) rate: u32,
    pub(super) placer: Placer,
    pub(super) tape: Tape,
    pub(super) frames: u64,
    pub(super) received: u64,
    pub(super) gaps: u64,
    pub(super) lost: u64,
    pub(super) refused: u64,
    pub(super) late_frames: u64,
    pub(super) repeated_frames: u64,
    pub(super) unplaced_frames: u64,
    missing: Gaps,
}

impl Stream {
    pub(super) fn new(start: &StreamStart, at_us: u64, limits: &TimelineLimits) -> Self {
        let rate = start.assistant_rate.max(1);
        Self {
            clock: StreamClock::new(at_us, limits.longest_ms.saturating_mul(1000)),
            caller: Lane::new(start.caller_rate.max(1)),
            assistant: Lane::new(rate),
            playout: Playout::new(rate, rate.samples_in_ms(limits.queue_ms), start.mark_echoes),
            start: start.clone(),
        }
    }

    /// Puts audio where it says it belongs; returns how often a clock jumped.
    pub(super) fn place(
        &mut self,
        track: Track,
        place: Place,
        at_us: u64,
        now_us: u64,
        piece: Piece<'_>,
        limits: &TimelineLimits,
    ) -> u64 {
        let len = piece.len();
        let settled_us = self.front_us().max(now_us);
        let lane = match track {
            Track::Caller => &mut self.caller,
            Track::Assistant => &mut self.assistant,
        };
        lane.frames += 1;
        lane.received += len;
        let placed = match place {
            Place::At(ms) => lane.placer.stamped(ms, len, at_us, now_us, limits),
            Place::Queued | Place::Untimed => {
                // A model's speech may be handed over at once; but not more than a phone line would queue.
                let ahead = lane.tape.end().saturating_sub(lane.rate.samples_in_us(settled_us));
                if ahead + len > lane.rate.samples_in_ms(limits.queue_ms).max(len) {
                    lane.refused += len;
                    return 0;
                }
                lane.placer.untimed(len, now_us)
            }
        };
        if placed.start + len > lane.rate.samples_in_ms(limits.longest_ms) {
            lane.refused += len;
            return u64::from(placed.jumped);
        }
        lane.gaps += u64::from(placed.missing > 0);
        lane.lost += placed.missing;
        lane.missing.open(placed.start - placed.missing, placed.start);
        let before = lane.tape.end();
        let put = lane.tape.put(placed.start, piece);
        if placed.start < before {
            // It filled a hole that was counted as lost.
            lane.lost = lane.lost.saturating_sub(put.placed.min(before - placed.start));
            lane.missing.fill(placed.start + put.late, placed.start + len);
        }
        lane.late_frames += u64::from(put.late > 0);
        lane.repeated_frames += u64::from(put.repeated > 0 && put.late == 0 && !put.differs);
        lane.unplaced_frames += u64::from(put.late == 0 && put.differs);
        let end_us = lane.rate.us_of(placed.start + len.min(u64::from(lane.rate)));
        let begins_us = lane.rate.us_of(placed.start);
        match place {
            // A stamp tells the time. (A piece of many seconds cannot have been spoken when its stamp says it began.)
            Place::At(_) => self.clock.see(end_us, at_us),
            // A caller speaks as fast as time goes: one who is ahead of it is a file that is read.
            _ if track == Track::Caller && end_us > now_us => self.clock.see(end_us, at_us),
            _ => {}
        }
        if track == Track::Caller && self.is_relay() {
            self.playout.see_frame(at_us, begins_us, end_us);
        }
        u64::from(placed.jumped)
    }

    /// How many samples of a track may wait.
    pub(super) fn most_samples(&self, track: Track, limits: &TimelineLimits) -> u64 {
        self.start.rate(track).samples_in_ms(limits.queue_ms)
    }

    pub(super) fn is_relay(&self) -> bool {
        self.start.topology == Topology::Relay
    }

    /// The bot sent speech to the provider.
    pub(super) fn push(&mut self, at_us: u64, now_us: u64, codec: Codec, bytes: &[u8]) {
        let lane = &mut self.assistant;
        lane.frames += 1;
        lane.received += (bytes.len() / codec.bytes_per_sample()) as u64;
        lane.refused += self.playout.push(at_us, now_us, codec, bytes);
    }

    /// Moves what the provider has played until then onto the tape.
    fn play(&mut self, until: u64, placements: &mut Placements) {
        let lane = &mut self.assistant;
        self.playout.give(until, |heard| match heard {
            Heard::At { first, start, codec, bytes } => {
                let piece = Piece::new(codec, bytes);
                lane.tape.put(start, piece);
                let samples = piece.len();
                placements.push(Placement { first, samples, start: Some(start) });
            }
            Heard::Never { first, samples } => placements.push(Placement { first, samples, start: None }),
        });
    }

    /// How far both tracks are known: to now, or, if they are fed faster than time goes, to where the shorter ends.
    pub(super) fn front_us(&self) -> u64 {
        self.caller.us_end().min(self.assistant.us_end())
    }

    pub(super) fn settle(&mut self, limits: &TimelineLimits, placements: &mut Placements) {
        let front = self.front_us().max(self.clock.read(0));
        let settled = front.saturating_sub(limits.horizon_ms.saturating_mul(1000));
        if self.is_relay() {
            self.play(self.assistant.rate.samples_in_us(settled), placements);
        }
        for lane in [&mut self.caller, &mut self.assistant] {
            lane.tape.settle(lane.rate.samples_in_us(settled));
        }
    }

    /// Ends the provider's playing.
    pub(super) fn end(&mut self, now_us: u64, placements: &mut Placements) {
        if self.is_relay() {
            self.playout.end(now_us);
            self.play(u64::MAX, placements);
            self.playout.end_spurt();
        }
    }

    /// The next note that is final.
    pub(super) fn poll_note(&mut self) -> Option<Note> {
        let lost = |track: Track, lane: &mut Lane| {
            let (begin, end) = lane.missing.poll(lane.tape.settled())?;
            let (begin_ms, end_ms) = (lane.rate.ms_of(begin), lane.rate.ms_of(end));
            Some(Note::Gap(Gap { track, begin_ms, end_ms, why: GapWhy::Lost }))
        };
        let note = self.playout.poll_note();
        let note = note.or_else(|| lost(Track::Caller, &mut self.caller));
        note.or_else(|| lost(Track::Assistant, &mut self.assistant))
    }

    /// Gives everything out; both tracks end together.
    pub(super) fn settle_all(&mut self) {
        let longest =
            if self.caller.us_end() >= self.assistant.us_end() { &self.caller } else { &self.assistant };
        let (end, rate) = (u128::from(longest.tape.end()), u128::from(longest.rate));
        for lane in [&mut self.caller, &mut self.assistant] {
            let end = (end * u128::from(lane.rate) + rate / 2) / rate;
            lane.tape.settle(lane.tape.end().max(end as u64));
        }
    }
}

impl Lane {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            placer: Placer::new(rate),
            tape: Tape::new(rate),
            frames: 0,
            received: 0,
            gaps: 0,
            lost: 0,
            refused: 0,
            late_frames: 0,
            repeated_frames: 0,
            unplaced_frames: 0,
            missing: Gaps::default(),
        }
    }

    pub(super) fn us_end(&self) -> u64 {
        self.rate.us_of(self.tape.end())
    }

    pub(super) fn us_given(&self) -> u64 {
        self.rate.us_of(self.tape.given())
    }

    pub(super) fn report(&self, report: &mut TrackReport) {
        report.frames = self.frames;
        report.received_ms = self.rate.ms_of(self.received);
        report.gaps = if self.lost == 0 { 0 } else { self.gaps };
        report.lost_ms = self.rate.ms_of_up(self.lost);
        report.late_frames = self.late_frames;
        report.repeated_frames = self.repeated_frames;
        report.unplaced_frames = self.unplaced_frames;
        report.refused_ms = self.rate.ms_of_up(self.refused);
    }
}
