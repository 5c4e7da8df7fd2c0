//! What a clear threw away.

use super::{Playout, What, echo_of, is_echoed};
use crate::timeline::rate::RateExt;
use crate::{Cut, CutBy, MarkEchoes, Note};

/// By how many ticks the end of speech must be estimated behind an echo to be sure that it was not played by then.
const SURE: i64 = 6;

impl Playout {
    /// Settles the things before a clear; whatever is behind it arrived in tick `bound` or before.
    pub(super) fn settle_clear(&mut self, clear: usize, bound: Option<i64>) {
        let cleared_us = self.sent[clear].at_us;
        let behind = i64::from(self.echoes == MarkEchoes::BeforeFrame);
        let mut clear = clear;
        let mut thrown_away = None;
        let mut played_last = None;
        while let Some(index) = self.sent.range(..clear).position(is_echoed)
            && let Some(tick) = echo_of(&self.sent[index])
        {
            let last = self.sent.range(..clear).rev().find_map(echo_of);
            // A mark came back before all in front of it can have been played, or it is the last one before the clear, or came
            // back with that one: then it was thrown away, in the tick of the clear.
            let (end, _) = self.model(index, i64::MAX, 0);
            let too_early = end > self.grid.at(tick + behind + 1 + SURE);
            if too_early || (last == Some(tick) && !self.speech_follows_the_last_echo(clear)) {
                thrown_away = Some(tick);
                break;
            }
            played_last = Some(tick);
            clear -= self.settle_mark(index);
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
        for sent in self.sent.drain(..=clear) {
            match sent.what {
                What::Chunk { sound } => {
                    let chunk = next.next();
                    let start = chunk.map_or(self.known.end, |chunk| chunk.start);
                    self.known.end = start + sound.samples;
                    // The echo dates the cut, not when this speech began.
                    self.runs.place(start, sound, false);
                }
                What::Mark { .. } => self.marks_waiting -= 1,
                What::Clear => {}
            }
        }
        self.chunks = starts;
        self.clears_waiting -= 1;
        self.cut(arrival, pinned, CutBy::Cleared);
        self.known_sent_us = Some(cleared_us);
    }

    fn speech_follows_the_last_echo(&self, clear: usize) -> bool {
        let last = self.sent.range(..clear).rposition(is_echoed).unwrap_or(0);
        self.sent.range(last..clear).any(|sent| matches!(sent.what, What::Chunk { .. }))
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
