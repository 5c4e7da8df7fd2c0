//! A track's levels as the outline of a waveform.

use super::{LEFT, RIGHT};
use callrec::inspect::{Level, TrackLevels};
use std::fmt::Write as _;

/// By how much a call's waves are drawn higher than they are, so that its loudest fills its track; silence stays flat.
pub(super) fn gain(tracks: &[TrackLevels]) -> f64 {
    let peaks = tracks.iter().flat_map(|track| track.levels().iter().map(|level| level.peak));
    (32_768.0 / f64::from(peaks.max().unwrap_or(0).max(1_000))).sqrt()
}

/// The outline of `size` of each column's level, from one time to another, around a line at `middle`. Silence has none.
pub(super) fn outline(
    track: &TrackLevels,
    from_ms: u64,
    length_ms: u64,
    middle: f64,
    half: f64,
    size: impl Fn(Level) -> u16,
) -> String {
    // A point a pixel, but none between two windows.
    let columns = ((RIGHT - LEFT) as u64).min(length_ms / TrackLevels::STEP_MS).max(1);
    let mut path = String::new();
    let mut run: Vec<(f64, f64)> = Vec::new();
    for column in 0..=columns {
        let at = |column: u64| from_ms + length_ms * column / columns;
        let height = match column < columns {
            // The square root shows quiet speech too.
            true => (f64::from(size(track.between(at(column), at(column + 1)))) / 32_768.0).sqrt() * half,
            false => 0.0,
        };
        let x = LEFT + (RIGHT - LEFT) * (column as f64 + 0.5) / columns as f64;
        if height >= 0.75 {
            run.push((x, height));
        } else if !run.is_empty() {
            close(&mut run, (RIGHT - LEFT) / columns as f64 / 2.0, middle, &mut path);
        }
    }
    path
}

/// Upper side there, lower side back.
fn close(run: &mut Vec<(f64, f64)>, slope: f64, middle: f64, path: &mut String) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
    let _ = write!(path, "M{:.1} {middle:.1}", first.0 - slope);
    let end = last.0 + slope;
    for (x, height) in run.iter() {
        let _ = write!(path, "L{x:.1} {:.1}", middle - height);
    }
    let _ = write!(path, "L{end:.1} {middle:.1}");
    for (x, height) in run.drain(..).rev() {
        let _ = write!(path, "L{x:.1} {:.1}", middle + height);
    }
    path.push('Z');
}
