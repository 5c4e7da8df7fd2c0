//! One row of the picture: a stretch of the call, the caller above, the assistant below.

use super::waves::outline;
use super::{LEFT, RIGHT};
use crate::inspect::times::{clock, clock_ms, label_every_ms, length};
use callrec::inspect::{StreamInspection, Voice};
use callrec::{Cut, Gap, GapWhy, Spurt};
use std::fmt::Write as _;

const RULER: f64 = 20.0;
const TRACK: f64 = 72.0;
/// Between the tracks, and behind a row; under the assistant there are its spurts.
const BETWEEN: f64 = 4.0;
const SPURTS: f64 = 9.0;
const BEHIND: f64 = 18.0;

pub(super) struct Row<'a> {
    pub(super) stream: &'a StreamInspection,
    pub(super) from_ms: u64,
    pub(super) length_ms: u64,
    pub(super) top: f64,
    /// By how much waves are drawn higher.
    pub(super) gain: f64,
}

impl Row<'_> {
    /// Draws it, and tells where the next one goes.
    pub(super) fn draw(&self, body: &mut String) -> f64 {
        let tracks = self.stream.tracks.len() as f64;
        let top = self.top + RULER;
        let bottom = top + tracks * TRACK + (tracks - 1.0) * BETWEEN + SPURTS;
        let end_ms = self.stream.duration_ms.min(self.from_ms + self.length_ms);
        for index in 0..self.stream.tracks.len() {
            let y = top + index as f64 * (TRACK + BETWEEN);
            let width = self.x(end_ms) - LEFT;
            let _ = writeln!(
                body,
                r#"<rect class="row" x="{LEFT}" y="{y:.1}" width="{width:.1}" height="{TRACK}"/>"#
            );
        }
        self.grid(top, bottom, body);
        for (index, track) in self.stream.tracks.iter().enumerate() {
            let y = top + index as f64 * (TRACK + BETWEEN);
            let (middle, half) = (y + TRACK / 2.0, (TRACK / 2.0 - 3.0) * self.gain);
            let (name, class) = match track.voice() {
                Voice::Caller => ("Caller", "caller"),
                Voice::Assistant => ("Assistant", "assistant"),
                Voice::Both => ("Both", "both"),
            };
            let _ = writeln!(
                body,
                r#"<text class="name {class}" x="{:.1}" y="{:.1}">{name}</text>"#,
                LEFT - 12.0,
                middle + 5.0
            );
            let _ = writeln!(body, r#"<path class="base" d="M{LEFT} {middle:.1}H{:.1}"/>"#, self.x(end_ms));
            self.unheard(track.voice(), y, body);
            let (from, length) = (self.from_ms, self.length_ms);
            let peaks = outline(track, from, length, middle, half, |level| level.peak);
            let loudness = outline(track, from, length, middle, half, |level| level.rms);
            let _ = writeln!(
                body,
                r#"<path class="{class} peak" d="{peaks}"/><path class="{class}" d="{loudness}"/>"#
            );
            self.notes(track.voice(), y, body);
        }
        bottom + BEHIND
    }

    fn grid(&self, top: f64, bottom: f64, body: &mut String) {
        let room_ms = (self.length_ms as f64 * 64.0 / (RIGHT - LEFT)) as u64;
        let every_ms = label_every_ms(room_ms);
        let mut at_ms = self.from_ms.next_multiple_of(every_ms);
        while at_ms < self.from_ms + self.length_ms && at_ms <= self.stream.duration_ms {
            let (x, label) = (self.x(at_ms), clock(at_ms));
            let _ = writeln!(
                body,
                r#"<path class="grid" d="M{x:.1} {:.1}V{bottom:.1}"/><text class="time" x="{:.1}" y="{:.1}">{label}</text>"#,
                top - 14.0,
                x + 4.0,
                top - 5.0
            );
            at_ms += every_ms;
        }
    }

    fn notes(&self, voice: Voice, y: f64, body: &mut String) {
        let Some(notes) = &self.stream.notes else { return };
        for gap in &notes.gaps {
            if voice == Voice::Both || Voice::from(gap.track) == voice {
                self.gap(gap, y, body);
            }
        }
        if voice == Voice::Caller {
            return;
        }
        for spurt in &notes.spurts {
            self.spurt(spurt, y + TRACK + SPURTS / 2.0, body);
        }
        for cut in &notes.cuts {
            self.cut(cut, y, body);
        }
    }

    fn gap(&self, gap: &Gap, y: f64, body: &mut String) {
        let Some((x, end)) = self.within(gap.begin_ms, gap.end_ms) else { return };
        let (class, what) = match gap.why {
            GapWhy::Lost => ("lost", "never came"),
            GapWhy::Underrun => ("late", "speech came too late"),
        };
        let width = (end - x).max(3.0);
        let (at, long) = (clock_ms(gap.begin_ms), length(gap.end_ms - gap.begin_ms));
        let _ = writeln!(
            body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{TRACK}"><title>{at}: {long}, {what}</title></rect>"#
        );
    }

    fn spurt(&self, spurt: &Spurt, y: f64, body: &mut String) {
        let Some((x, end)) = self.within(spurt.begin_ms, spurt.end_ms) else { return };
        let class = if spurt.pinned { "spurt" } else { "spurt modelled" };
        let (begin, over) = (clock_ms(spurt.begin_ms), clock_ms(spurt.end_ms));
        let _ = writeln!(
            body,
            r#"<path class="{class}" d="M{x:.1} {y:.1}H{end:.1}"><title>{begin} to {over}</title></path>"#
        );
    }

    /// What was cut off lies, behind the waves, over the time in which it would have been heard.
    fn unheard(&self, voice: Voice, y: f64, body: &mut String) {
        let cuts = self.stream.notes.iter().flat_map(|notes| &notes.cuts);
        for cut in cuts.filter(|_| voice != Voice::Caller) {
            let Some((x, end)) = self.within(cut.at_ms, cut.at_ms + cut.unheard_ms) else { continue };
            let (top, width, height) = (y + TRACK / 4.0, (end - x).max(1.0), TRACK / 2.0);
            let _ = writeln!(
                body,
                r#"<rect class="unheard" x="{x:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}"/>"#
            );
        }
    }

    fn cut(&self, cut: &Cut, y: f64, body: &mut String) {
        // The row's first moment is the end of the row before it.
        if cut.at_ms <= self.from_ms || cut.at_ms > self.from_ms + self.length_ms {
            return;
        }
        let (x, low) = (self.x(cut.at_ms), y + TRACK);
        let words = format!("{} never heard", length(cut.unheard_ms));
        let at = clock_ms(cut.at_ms);
        let _ = writeln!(
            body,
            r#"<path class="cut" d="M{x:.1} {:.1}V{low:.1}"><title>{at}: cut off, {words}</title></path>"#,
            y - BETWEEN
        );
        let (anchor, at_x) = if x > RIGHT - 150.0 { ("end", x - 6.0) } else { ("start", x + 6.0) };
        let _ = writeln!(
            body,
            r#"<text class="cutmark" x="{at_x:.1}" y="{:.1}" text-anchor="{anchor}">{words}</text>"#,
            y + 12.0
        );
    }

    /// A stretch's part in this row, if there is one, in pixels.
    fn within(&self, begin_ms: u64, end_ms: u64) -> Option<(f64, f64)> {
        let row_end_ms = self.from_ms + self.length_ms;
        (begin_ms < row_end_ms && end_ms > self.from_ms)
            .then(|| (self.x(begin_ms.max(self.from_ms)), self.x(end_ms)))
    }

    /// Where a moment is; one behind the row at its end.
    fn x(&self, ms: u64) -> f64 {
        let share = ms.saturating_sub(self.from_ms) as f64 / self.length_ms as f64;
        LEFT + (RIGHT - LEFT) * share.min(1.0)
    }
}
