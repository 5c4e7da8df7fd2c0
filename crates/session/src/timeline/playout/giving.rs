//! What is given out: settled by echoes, or by the model when its time has come.

use super::runs::Account;
use super::{Heard, LOST_US, Playout, STALL_MS, Sent, What};
use crate::CutBy;
use crate::timeline::rate::RateExt;

impl Playout {
    /// Gives out what was heard before `until`; what no echo has settled by then is settled by the model.
    pub(in crate::timeline) fn give(&mut self, until: u64, heard: impl FnMut(Heard<'_>)) {
        self.force(until);
        let stall = self.rate.samples_in_ms(STALL_MS);
        let mut account = Account { report: &mut self.report, noted: &mut self.noted, rate: self.rate };
        self.runs.give(until, stall, &mut account, heard);
    }

    /// The stream is over, and with it the spurt that is heard last.
    pub(in crate::timeline) fn end_spurt(&mut self) {
        let mut account = Account { report: &mut self.report, noted: &mut self.noted, rate: self.rate };
        self.runs.end_spurt(&mut account);
    }

    fn force(&mut self, until: u64) {
        // A clear cuts what is heard already, whatever waits before it.
        while let Some(clear) = self.waiting.first_clear()
            && self.is_due(clear, until)
        {
            self.settle_clear(clear, None);
        }
        // A mark waits with what is behind it; alone it decides nothing.
        loop {
            let next = self.waiting.marks_in_front();
            let is_chunk = |sent: &Sent| matches!(sent.what, What::Chunk { .. });
            if !self.waiting.get(next).is_some_and(is_chunk) || !self.is_due(next, until) {
                return;
            }
            self.place_first(next);
        }
    }

    /// Where more waits than may, what is in front waits for no echo any more: the model decides now.
    pub(super) fn make_room(&mut self) {
        while self.waiting.is_full() {
            let next = self.waiting.marks_in_front();
            match self.waiting.get(next).map(|sent| &sent.what) {
                Some(What::Clear) => self.settle_clear(next, None),
                Some(_) => self.place_first(next),
                None => drop(self.waiting.take(next)),
            }
            self.report.settled_early += 1;
        }
    }

    /// Places the first chunk, which so many marks are before, where the model says.
    fn place_first(&mut self, marks: usize) {
        drop(self.waiting.take(marks));
        let (_, doubt) = self.model(1, i64::MAX, self.path.usual_lateness());
        self.doubt(doubt + 1);
        let start = self.chunks.first().map_or(self.known.end, |chunk| chunk.start);
        if let Some(Sent { what: What::Chunk { sound }, .. }) = self.waiting.take(1).next() {
            self.known.end = start + sound.samples;
            self.runs.place(start, sound, false);
            self.forced = true;
        }
    }

    /// Whether something sent may be heard, or cut, before `until`.
    fn is_due(&self, index: usize, until: u64) -> bool {
        let Some(sent) = self.waiting.get(index) else { return false };
        let arrival = self.path.earliest(&self.grid, sent.at_us);
        let place = self.grid.at(arrival + 1);
        match sent.what {
            What::Chunk { .. } => place.max(self.known.end) < until,
            What::Mark | What::Clear => place < until,
        }
    }

    /// The stream is over: settles everything, and cuts what was not heard by the end of the caller's latest frame.
    pub(in crate::timeline) fn end(&mut self, now_us: u64) {
        let now = self.rate.samples_in_us(now_us);
        if self.unanswered_us.is_some_and(|us| us.saturating_add(LOST_US) < now_us) {
            self.report.echoes_ended_ms = self.echoed_us.map(|us| us / 1000);
        }
        // What was sent to the last is played only as far as the stream goes.
        let last = match self.frame {
            Some(frame) => frame,
            None => self.grid.tick_of(now) - 1,
        };
        while let Some(clear) = self.waiting.first_clear() {
            self.settle_clear(clear, Some(last));
        }
        let (_, doubt) = self.model(self.waiting.len(), last, self.path.usual_lateness());
        self.doubt(doubt + 1);
        let starts = std::mem::take(&mut self.chunks);
        let mut next = starts.iter();
        for sent in self.waiting.take(self.waiting.len()) {
            if let What::Chunk { sound } = sent.what {
                let start = next.next().map_or(self.known.end, |chunk| chunk.start);
                self.known.end = start + sound.samples;
                self.runs.place(start, sound, false);
            }
        }
        self.chunks = starts;
        // The caller's last frame dates it, as far as it is known what was heard by then.
        self.cut(last, self.report.calibrated, CutBy::End);
    }
}
