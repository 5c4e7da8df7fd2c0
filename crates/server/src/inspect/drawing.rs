//! Both sides of a call as blocks on a time line, in rows that fit the width.

use super::View;
use super::paint::Ink;
use super::times::{clock, label_every_ms, row_ms};
use callrec::GapWhy;
use callrec::inspect::{Level, StreamInspection, TrackLevels, Voice};

/// Columns before the time line, for names.
pub(super) const GUTTER: usize = 11;
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A track is two lines high.
const STEPS: usize = 2 * BLOCKS.len();
/// How loud the lowest block is, and how much louder the highest, in decibels of the root mean square.
const LOWEST_DB: f64 = -54.0;
const RANGE_DB: f64 = 42.0;

pub(super) const SILENT: char = '·';
pub(super) const LOST: char = '░';
pub(super) const LATE: char = '▒';
pub(super) const CUT: char = '╳';
const ABOVE_CUT: char = '┊';

type Cells = Vec<(char, Ink)>;

/// One row: a stretch of the call, and the lines that show it.
pub(super) struct Row {
    pub(super) from_ms: u64,
    pub(super) to_ms: u64,
    pub(super) text: String,
}

/// The rows of a stream; none if it has no sound.
pub(super) fn rows(stream: &StreamInspection, view: View) -> Vec<Row> {
    let scale = Scale::new(stream, view);
    if stream.tracks.is_empty() {
        return Vec::new();
    }
    let starts = (0..stream.duration_ms.max(1)).step_by(usize::try_from(scale.row_ms).unwrap_or(usize::MAX));
    starts
        .map(|from_ms| {
            let mut text = scale.ruler(from_ms, view);
            for track in &stream.tracks {
                for line in scale.track(stream, track, from_ms) {
                    text += &view.paint.line(&line);
                    text.push('\n');
                }
            }
            Row { from_ms, to_ms: from_ms + scale.row_ms, text }
        })
        .collect()
}

/// What the signs in the rows mean; those that occur.
pub(super) fn legend(stream: &StreamInspection) -> Vec<String> {
    let loudness = format!("{}{}{} loudness", BLOCKS[0], BLOCKS[3], BLOCKS[7]);
    let mut legend = vec![loudness, format!("{SILENT} silence")];
    let Some(notes) = &stream.notes else { return legend };
    let has = |why| notes.gaps.iter().any(|gap| gap.why == why);
    for (there, sign, meaning) in [
        (!notes.cuts.is_empty(), CUT, "cut off"),
        (has(GapWhy::Lost), LOST, "audio that never came"),
        (has(GapWhy::Underrun), LATE, "speech that came too late"),
    ] {
        if there {
            legend.push(format!("{sign} {meaning}"));
        }
    }
    legend
}

struct Scale {
    columns: usize,
    row_ms: u64,
    duration_ms: u64,
}

impl Scale {
    fn new(stream: &StreamInspection, view: View) -> Self {
        let duration_ms = stream.duration_ms;
        Self { columns: view.width - GUTTER, row_ms: row_ms(duration_ms, view.row_ms), duration_ms }
    }

    /// Where a column begins, in milliseconds from the row's beginning.
    fn ms_of(&self, column: usize) -> u64 {
        self.row_ms * column as u64 / self.columns as u64
    }

    /// The columns of a row that a stretch of the call touches; one at least, if it is in the row at all.
    fn columns_of(&self, row_ms: u64, from_ms: u64, to_ms: u64) -> std::ops::Range<usize> {
        let end_ms = row_ms + self.row_ms;
        if from_ms >= end_ms || to_ms.max(from_ms + 1) <= row_ms {
            return 0..0;
        }
        let column = |ms: u64| ((ms - row_ms) * self.columns as u64 / self.row_ms) as usize;
        let first = column(from_ms.max(row_ms));
        let last = column(to_ms.min(end_ms).saturating_sub(1).max(from_ms.max(row_ms)));
        first..(last + 1).min(self.columns)
    }

    fn ruler(&self, from_ms: u64, view: View) -> String {
        let mut cells: Cells = vec![(' ', Ink::Faint); GUTTER + self.columns];
        let room = clock(from_ms + self.row_ms).len() as u64 + 3;
        let every_ms = label_every_ms(self.row_ms * room / self.columns as u64);
        let mut at_ms = from_ms.next_multiple_of(every_ms);
        while at_ms < from_ms + self.row_ms && at_ms <= self.duration_ms {
            let label = format!("│{}", clock(at_ms));
            let column = GUTTER + self.columns_of(from_ms, at_ms, at_ms).start;
            if column + label.chars().count() <= cells.len() {
                for (cell, sign) in cells[column..].iter_mut().zip(label.chars()) {
                    cell.0 = sign;
                }
            }
            at_ms += every_ms;
        }
        view.paint.line(&cells) + "\n"
    }

    /// The upper and the lower line of a track.
    fn track(&self, stream: &StreamInspection, track: &TrackLevels, from_ms: u64) -> [Cells; 2] {
        let (name, ink) = match track.voice() {
            Voice::Caller => ("caller", Ink::Caller),
            Voice::Assistant => ("assistant", Ink::Assistant),
            Voice::Both => ("both", Ink::Plain),
        };
        let (mut upper, mut lower) = (Cells::new(), Cells::new());
        for column in 0..self.columns {
            let (begin_ms, end_ms) = (from_ms + self.ms_of(column), from_ms + self.ms_of(column + 1));
            if begin_ms >= self.duration_ms {
                break;
            }
            let steps = steps(track.between(begin_ms, end_ms.max(begin_ms + 1)));
            upper.push((block(steps.saturating_sub(BLOCKS.len())).unwrap_or(' '), ink));
            lower.push(block(steps.min(BLOCKS.len())).map_or((SILENT, Ink::Faint), |block| (block, ink)));
        }
        self.note(stream, track.voice(), from_ms, &mut upper, &mut lower);
        let gutter = |text: &str| -> Cells {
            format!("{text:>width$} ", width = GUTTER - 1).chars().map(|sign| (sign, ink)).collect()
        };
        [[gutter(""), upper].concat(), [gutter(name), lower].concat()]
    }

    /// Puts gaps and cuts over the blocks.
    fn note(
        &self,
        stream: &StreamInspection,
        voice: Voice,
        row_ms: u64,
        upper: &mut Cells,
        lower: &mut Cells,
    ) {
        let Some(notes) = &stream.notes else { return };
        let drawn = lower.len();
        for gap in &notes.gaps {
            if voice != Voice::Both && Voice::from(gap.track) != voice {
                continue;
            }
            let sign = match gap.why {
                GapWhy::Lost => LOST,
                GapWhy::Underrun => LATE,
            };
            for column in self.columns_of(row_ms, gap.begin_ms, gap.end_ms) {
                if column < drawn {
                    lower[column] = (sign, Ink::Wrong);
                }
            }
        }
        for cut in notes.cuts.iter().filter(|_| voice != Voice::Caller) {
            // The end of what was heard, and not the beginning of the next column.
            let column = self.columns_of(row_ms, cut.at_ms.saturating_sub(1), cut.at_ms).start;
            let here = !self.columns_of(row_ms, cut.at_ms.saturating_sub(1), cut.at_ms).is_empty();
            if here && column < drawn {
                upper[column] = (ABOVE_CUT, Ink::Wrong);
                lower[column] = (CUT, Ink::Wrong);
            }
        }
    }
}

/// How high a level is, in eighths of a line.
fn steps(level: Level) -> usize {
    let db = 20.0 * (f64::from(level.rms.max(1)) / 32_768.0).log10();
    let share = (db - LOWEST_DB) / RANGE_DB;
    (share * STEPS as f64).ceil().clamp(0.0, STEPS as f64) as usize
}

fn block(eighths: usize) -> Option<char> {
    eighths.checked_sub(1).map(|index| BLOCKS[index.min(BLOCKS.len() - 1)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_as_high_as_it_is_loud() {
        let level = |rms| Level { peak: rms, rms };
        assert_eq!([0, 1, 70].map(|rms| steps(level(rms))), [0, 0, 1]);
        assert_eq!(steps(level(32_767)), STEPS);
        assert!(steps(level(1_000)) < steps(level(4_000)));
    }

    #[test]
    fn a_stretch_is_in_the_columns_that_it_touches() {
        let scale = Scale { columns: 10, row_ms: 1_000, duration_ms: 5_000 };
        for (row, from, to, columns) in [
            (0, 0, 100, 0..1),
            (0, 110, 120, 1..2),
            (0, 950, 1_250, 9..10),
            (1_000, 950, 1_250, 0..3),
            (1_000, 0, 1_000, 0..0),
            (1_000, 2_000, 2_100, 0..0),
            (1_000, 1_500, 1_500, 5..6),
        ] {
            assert_eq!(scale.columns_of(row, from, to), columns, "{from} to {to} in {row}");
        }
    }
}
