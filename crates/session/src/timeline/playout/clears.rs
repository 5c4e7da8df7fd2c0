//! What a clear threw away.

use super::{Echoed, Playout, Sent, What};
use crate::timeline::rate::RateExt;
use crate::{Cut, CutBy, MarkEchoes, Note};

/// By how many ticks the end of speech must be estimated behind an echo to be sure that it was not played by then.
const SURE: i64 = 6;

impl Playout {
    /// Settles the things before a clear; whatever is behind it arrived in tick `bound` or before.
    pub(super) fn settle_clear(&mut self, clear: usize, bound: Option<i64>) {
        let Some(&Sent { at_us: cleared_us, .. }) = self.waiting.get(clear) else { return };
        let behind = i64::from(self.echoes == MarkEchoes::BeforeFrame);
        let mut clear = clear;
        let mut thrown_away = None;
        let mut played_last = None;
        while let Some(echoed) = self.waiting.first_echoed(clear) {
            let tick = echoed.tick;
            let last = self.waiting.last_echoed(clear);
            // A mark came back before all in front of it can have been played, or it is the last one before the clear, or came
            // back with that one: then it was thrown away, in the tick of the clear.
            let (end, _) = self.model(echoed.index, i64::MAX, 0);
            let too_early = end > self.grid.at(tick + behind + 1 + SURE);
            let is_the_last = |last: Echoed| last.tick == tick && !self.waiting.has_chunk(last.index, clear);
            if too_early || last.is_some_and(is_the_last) {
                thrown_away = Some(tick);
                break;
            }
            played_last = Some(tick);
            clear -= self.settle_mark(echoed);
        }
        let pinned = thrown_away.is_some();
        let usual = self.path.earliest(&self.grid, cleared_us) + self.path.usual_lateness();
        let bound = bound.unwrap_or(i64::MAX);
        let mut arrival = thrown_away.unwrap_or_else(|| usual.max(played_last.unwrap_or(usual)));
        arrival = arrival.max(self.known.arrived).min(bound);
        let (_, doubt) = self.model(clear, arrival, self.path.usual_lateness());
        self.doubt(if self.chunks.is_empty() { 1 } else { doubt + 2 });
        let starts = std::mem::take(&mut self.chunks);
        let mut next = starts.iter();
        for sent in self.waiting.take(clear + 1) {
            let What::Chunk { sound } = sent.what else { continue };
            let start = next.next().map_or(self.known.end, |chunk| chunk.start);
            self.known.end = start + sound.samples;
            // The echo dates the cut, not when this speech began.
            self.runs.place(start, sound, false);
        }
        self.chunks = starts;
        self.cut(arrival, pinned, CutBy::Cleared);
        self.known_sent_us = Some(cleared_us);
    }

    /// Throws away what is not heard before the tick after `arrival`.
    pub(super) fn cut(&mut self, arrival: i64, pinned: bool, by: CutBy) {
        let place = self.grid.at(arrival.saturating_add(1));
        if self.known.end > place {
            let (unheard, too_late) = self.runs.cut(place);
            self.known.end = place.max(self.runs.given());
            self.report.late_news += u64::from(too_late);
            if unheard > 0 {
                self.report.cuts += 1;
                self.report.cuts_pinned += u64::from(pinned);
                self.report.unheard_ms += self.rate.ms_of(unheard);
                let (at_ms, unheard_ms) = (self.rate.ms_of(self.known.end), self.rate.ms_of(unheard));
                self.noted.push(Note::Cut(Cut { at_ms, unheard_ms, pinned, by }));
                self.doubt(if pinned { 1 } else { self.path.longest_lateness() + 1 });
            }
        }
    }
}
