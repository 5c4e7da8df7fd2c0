//! The provider's playout queue, estimated: when the bot's speech was heard, from what was sent and from what came back.
//!
//! What the bot sends is played in order, as soon as the queue before it is empty; a clear throws away what waits. When
//! things arrived nobody says, but the provider sends marks back, *in order with the caller's frames*: the last frame before
//! an echo tells in which tick of 20 ms the mark was reached, whatever the network did. Between two echoes the pauses
//! are known in sum, and [`explain`] finds where they were.
//!
//! What was sent waits here until an echo settles it, or until the horizon comes: then the model decides alone. A later
//! echo that says otherwise is counted; who wants to know better reads the journal again with a farther horizon.

mod clears;
mod explain;
mod giving;
mod grid;
mod path;
mod runs;
#[cfg(test)]
mod tests;
mod waiting;

use super::noted::Noted;
use super::rate::RateExt;
use crate::{Codec, MarkEchoes, Note, Playout as Report};
use explain::{Chunk, Echo, Known, explain};
use grid::Grid;
use path::Path;
pub(super) use runs::Heard;
use runs::{Runs, Sound};
use waiting::{Echoed, Named, Sent, Waiting, What};

/// A pause shorter than this, in milliseconds, is speech that came too late; a longer one is a pause.
const STALL_MS: u64 = 400;
/// What was sent within this time of each other, in microseconds, was sent in one write.
const ONE_WRITE_US: u64 = 1_000;
/// What is so many ticks too late is no error of an estimate: the echo is not believed.
const UNBELIEVABLE: i64 = 25;
/// A mark whose echo is so late, in microseconds, that it will not come any more.
const LOST_US: u64 = 10_000_000;

/// What is queued and what was heard of it.
#[derive(Debug)]
pub(super) struct Playout {
    rate: u32,
    echoes: MarkEchoes,
    most: u64,
    grid: Grid,
    path: Path,
    waiting: Waiting,
    runs: Runs,
    known: Known,
    /// When something was sent that arrived as `known` says.
    known_sent_us: Option<u64>,
    /// The tick of the caller's latest frame.
    frame: Option<i64>,
    /// Where the queue ends if nothing takes any time on its way.
    model_end: u64,
    report: Report,
    noted: Noted,
    /// By how much a place may be wrong, in milliseconds.
    largest_error_ms: u64,
    /// Something was modelled before the round trip was known.
    guessed: bool,
    /// Speech was placed by the model since the last echo.
    forced: bool,
    /// When the last echo came, on the stream clock.
    echoed_us: Option<u64>,
    /// When the first mark sent since then should have been reached.
    unanswered_us: Option<u64>,
    chunks: Vec<Chunk>,
}

impl Playout {
    /// A queue of at most `most` samples, at `rate` Hz.
    pub(super) fn new(rate: u32, most: u64, echoes: MarkEchoes) -> Self {
        Self {
            rate,
            echoes,
            most,
            grid: Grid::new(rate),
            path: Path::default(),
            waiting: Waiting::default(),
            runs: Runs::default(),
            known: Known { end: 0, arrived: -1 },
            known_sent_us: None,
            frame: None,
            model_end: 0,
            report: Report::default(),
            noted: Noted::default(),
            largest_error_ms: 0,
            guessed: false,
            forced: false,
            echoed_us: None,
            unanswered_us: None,
            chunks: Vec::new(),
        }
    }

    /// A frame of the caller arrived; it covers this stretch of the stream clock.
    pub(super) fn see_frame(&mut self, at_us: u64, begins_us: u64, ends_us: u64) {
        if self.frame.is_none() {
            self.grid.align(begins_us);
        }
        self.path.see_frame(at_us, begins_us);
        // A frame is sent when it is over, whatever its length; the tick in which that is, is the tick of its end.
        let tick = self
            .grid
            .tick_of_us(ends_us as i64 - grid::TICK_US as i64)
            .max(self.grid.tick_of_us(begins_us as i64));
        self.frame = Some(self.frame.unwrap_or(tick).max(tick));
    }

    /// The bot sent speech when the stream clock read `now_us`. Returns how many samples no queue has room for.
    pub(super) fn push(&mut self, at_us: u64, now_us: u64, codec: Codec, bytes: &[u8]) -> u64 {
        let width = codec.bytes_per_sample();
        let samples = (bytes.len() / width) as u64;
        let now = self.rate.samples_in_us(now_us);
        let most = if self.runs.has_room() { self.most } else { 0 };
        let taken = samples.min(most.saturating_sub(self.model_end.saturating_sub(now)));
        if taken > 0 {
            self.model_end = self.model_end.max(now) + taken;
            let sound = self.runs.receive(codec, &bytes[..taken as usize * width]);
            if !self.waiting.is_full() || !self.waiting.join(at_us, sound) {
                self.make_room();
                self.waiting.push(at_us, What::Chunk { sound });
            }
        }
        samples - taken
    }

    pub(super) fn mark_sent(&mut self, at_us: u64, now_us: u64, name: &str) {
        let reached_us = now_us.max(self.rate.us_of(self.model_end));
        self.unanswered_us.get_or_insert(reached_us);
        if self.waiting.has_room_for_a_mark() {
            self.report.marks += 1;
            self.make_room();
            self.waiting.push_mark(at_us, name);
        } else {
            self.report.marks_untracked += 1;
        }
    }

    pub(super) fn clear(&mut self, at_us: u64, now_us: u64) {
        self.model_end = self.model_end.min(self.rate.samples_in_us(now_us));
        self.make_room();
        self.waiting.push(at_us, What::Clear);
    }

    /// A mark came back. If others of its name wait too, nobody knows which one it was.
    pub(super) fn mark_echoed(&mut self, at_us: u64, now_us: u64, name: &str) {
        let index = match self.waiting.named(name) {
            Named::Nobody => {
                self.report.stray_echoes += 1;
                return;
            }
            // It may be that of another one, if an echo got lost; then all that follow would be as well.
            Named::Several => {
                self.report.echoes += 1;
                return;
            }
            Named::One(index) => index,
        };
        let tick = self.frame.unwrap_or_else(|| self.grid.tick_of_us(now_us as i64));
        let sent_us = self.waiting.echo(index, tick, at_us);
        self.path.see_echo(&self.grid, sent_us, tick, at_us);
        self.report.echoes += 1;
        (self.echoed_us, self.unanswered_us) = (Some(now_us), None);
        // Whether a mark before a clear was played or thrown away, the marks behind the clear tell.
        if !self.waiting.clear_follows(index) {
            self.settle_through(index, tick);
        }
    }

    /// Settles everything up to a mark that came back, behind which there is no clear.
    fn settle_through(&mut self, mut index: usize, tick: i64) {
        while let Some(clear) = self.waiting.first_clear().filter(|clear| *clear < index) {
            self.settle_clear(clear, Some(tick));
            index -= clear + 1;
        }
        self.settle_marks(index + 1);
    }

    /// Settles the first so many things sent, among which there is no clear and the last of which is a mark that came back.
    fn settle_marks(&mut self, mut count: usize) {
        while let Some(echoed) = self.waiting.first_echoed(count) {
            count -= self.settle_mark(echoed);
        }
    }

    /// Settles the chunks before a mark that came back. Returns how many of the things sent that did away with.
    fn settle_mark(&mut self, mark: Echoed) -> usize {
        let Echoed { index, tick, at_us: echoed_us } = mark;
        let Some(sent_us) = self.waiting.get(index).map(|sent| sent.at_us) else { return 0 };
        self.chunks.clear();
        for (at_us, sound) in self.waiting.chunks(index) {
            let earliest = self.path.earliest(&self.grid, at_us);
            self.chunks.push(Chunk { samples: sound.samples, earliest, start: 0 });
        }
        let behind = i64::from(self.echoes == MarkEchoes::BeforeFrame);
        let echo =
            Echo { played: tick + behind, empty: tick, earliest: self.path.earliest(&self.grid, sent_us) };
        let mut fit =
            explain(&self.grid, self.known, &mut self.chunks, echo, self.path.longest_lateness() + 1);
        if fit.too_late > self.grid.at(UNBELIEVABLE) - self.grid.at(0) {
            self.report.stray_echoes += 1;
            self.waiting.remove_mark(index);
            return 1;
        }
        if self.forced && self.chunks.is_empty() && echo.empty - echo.earliest > UNBELIEVABLE {
            // The mark waited behind speech whose time had come before it: so that ended here.
            fit.met_empty = false;
            let end = self.grid.at(echo.played + 1);
            if end.saturating_sub(self.known.end) > 2 * (self.grid.at(1) - self.grid.at(0)) {
                self.report.late_news += 1;
                fit.known.end = fit.known.end.max(end);
            }
        }
        self.forced = false;
        let mut known = fit.known;
        let starts = std::mem::take(&mut self.chunks);
        let mut next = starts.iter();
        let mut end = self.known.end;
        for Sent { at_us, what, .. } in self.waiting.take(index + 1) {
            let What::Chunk { sound } = what else { continue };
            let start = next.next().map_or(known.end, |chunk| chunk.start);
            if start > end {
                // It found the queue empty, and so tells how long its way was.
                self.path.see_arrival(&self.grid, at_us, self.grid.arrival_before(start), echoed_us);
            }
            end = start + sound.samples;
            self.runs.place(start, sound, true);
        }
        self.chunks = starts;
        if fit.too_late > 0 {
            let tick = self.grid.at(2) - self.grid.at(1);
            let back = fit.too_late.div_ceil(tick.max(1)) * tick;
            let moved = self.runs.move_back(back);
            known.end -= moved.min(known.end);
            // A tick is what echoes tell; less is no news.
            if fit.too_late - moved.min(fit.too_late) > tick {
                self.report.late_news += 1;
            }
            self.doubt((fit.too_late / tick.max(1)) as i64 + 1);
        }
        if fit.met_empty {
            self.path.see_empty_mark(&self.grid, sent_us, tick, echoed_us);
        }
        self.doubt(fit.doubt + 1);
        self.known = known;
        self.known_sent_us = Some(sent_us);
        self.report.calibrated = true;
        index + 1
    }

    /// Models when the chunks among the first so many things are heard, if all arrive `usual` ticks late but not after `bound`.
    /// Returns where the last one ends, and by how many ticks they may be later.
    fn model(&mut self, count: usize, bound: i64, usual: i64) -> (u64, i64) {
        self.chunks.clear();
        let mut doubt = 0;
        let Known { mut end, mut arrived } = self.known;
        for (at_us, sound) in self.waiting.chunks(count) {
            let earliest = self.path.earliest(&self.grid, at_us);
            let with_known = self.known_sent_us.is_some_and(|us| at_us.abs_diff(us) < ONE_WRITE_US);
            let arrival = if with_known { earliest } else { earliest + usual };
            arrived = arrived.max(arrival).min(bound);
            let start = end.max(self.grid.at(arrived.saturating_add(1)));
            self.guessed |= self.path.round_trip_us().is_none();
            let latest = (earliest + self.path.longest_lateness()).min(bound);
            doubt = doubt.max(latest + 1 - self.grid.tick_of(start));
            end = start + sound.samples;
            self.chunks.push(Chunk { samples: sound.samples, earliest, start });
        }
        (end, doubt)
    }

    fn doubt(&mut self, ticks: i64) {
        let ms = ticks.max(0).unsigned_abs() * (grid::TICK_US / 1000);
        self.largest_error_ms = self.largest_error_ms.max(ms);
    }

    /// The next spurt, cut or underrun that is final.
    pub(super) fn poll_note(&mut self) -> Option<Note> {
        self.noted.poll()
    }

    /// How many samples the bot has sent.
    pub(super) fn generated(&self) -> u64 {
        self.runs.generated()
    }

    pub(super) fn report(&self) -> Report {
        let mut report = self.report.clone();
        // A tick for what was never seen: a piece later than any mark before it.
        let mut largest_ms = self.largest_error_ms + grid::TICK_US / 1000;
        report.round_trip_ms = self.path.round_trip_us().map(|us| us / 1000);
        if let (true, Some(ms)) = (self.guessed || report.echoes_ended_ms.is_some(), report.round_trip_ms) {
            let late_ms = self.path.longest_lateness().unsigned_abs() * (grid::TICK_US / 1000);
            largest_ms = largest_ms.max(ms + late_ms + 2 * grid::TICK_US / 1000);
        }
        report.largest_error_ms = report.calibrated.then_some(largest_ms);
        report
    }
}
