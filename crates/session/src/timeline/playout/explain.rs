//! When chunks began to be heard, given where the echo of the mark behind them was found.
//!
//! A chunk begins where the one before it ended, or, if the queue ran empty, with the tick after its own arrival. An echo
//! tells in which tick everything before its mark had been played. So the pauses between the chunks are known in sum;
//! which chunk was late is found as the cheapest explanation: the one that was late by the least.

use super::grid::Grid;

/// How many ticks more a mark must be late than the chunk that it was sent with, to be believed to have been separated
/// from it by the network.
const SEPARATION: i64 = 2;

/// A chunk between the last place known and the mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunk {
    pub(super) samples: u64,
    /// The earliest tick in which it can have arrived.
    pub(super) earliest: i64,
    /// When it was heard first; found here.
    pub(super) start: u64,
}

/// A mark that came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echo {
    /// The tick in which it was reached, if it was waited for.
    pub(super) played: i64,
    /// The tick in which it arrived, if the queue was empty.
    pub(super) empty: i64,
    /// The earliest tick in which it can have arrived.
    pub(super) earliest: i64,
    /// Whether it was sent in one write with the last chunk.
    pub(super) together: bool,
}

/// What is known before the first chunk, and behind the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Where the audio so far ends, in samples.
    pub(super) end: u64,
    /// A tick in which something arrived that was sent before.
    pub(super) arrived: i64,
}

/// How an echo fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) known: Known,
    /// Whether the mark met an empty queue.
    pub(super) met_empty: bool,
    /// By how many samples what was placed before is too late.
    pub(super) too_late: u64,
    /// How many ticks the places may be off because there was more than one explanation.
    pub(super) doubt: i64,
}

/// Gives every chunk its start, so that they fit the echo. What is later than `most_late` ticks was never seen.
pub(super) fn explain(grid: &Grid, known: Known, chunks: &mut [Chunk], echo: Echo, most_late: i64) -> Fit {
    let over = grid.at(echo.played + 1);
    let mut fit =
        Fit { known: forward(grid, known, chunks, over, None), met_empty: false, too_late: 0, doubt: 0 };
    let reached = grid.at(echo.played);
    if fit.known.end > over {
        fit.too_late = fit.known.end - over;
    } else if fit.known.end <= reached {
        // Something was late: one of the chunks, or the mark alone.
        let mark_late = echo.empty - echo.earliest;
        let cheapest = latest_arrivals(grid, chunks, over)
            .filter(|(index, latest)| *latest >= chunks[*index].earliest.max(known.arrived))
            .map(|(index, latest)| (latest - chunks[index].earliest, index))
            .min();
        let apart = if echo.together { SEPARATION } else { 0 };
        let early = grid.tick_of(fit.known.end);
        match cheapest {
            Some((late, index)) => {
                let known_if_late = forward(grid, known, chunks, over, Some(index));
                let moved = grid.tick_of(known_if_late.end) - early;
                if late <= mark_late + apart {
                    fit.known = known_if_late;
                    let other = chunks.len() > 1 || mark_late <= most_late;
                    fit.doubt = if other { moved } else { 0 };
                } else {
                    forward(grid, known, chunks, over, None);
                    fit.met_empty = true;
                    fit.doubt = if late <= most_late { moved } else { 0 };
                }
            }
            None => fit.met_empty = true,
        }
    }
    let arrived = if fit.met_empty { echo.empty } else { echo.earliest.min(echo.empty) };
    fit.known.arrived = fit.known.arrived.max(arrived);
    fit
}

/// The latest tick in which each chunk can have arrived if all are over in time, from the last to the first.
fn latest_arrivals(grid: &Grid, chunks: &[Chunk], over: u64) -> impl Iterator<Item = (usize, i64)> {
    let mut latest_start = over;
    chunks.iter().enumerate().rev().map_while(move |(index, chunk)| {
        latest_start = latest_start.checked_sub(chunk.samples)?;
        Some((index, grid.arrival_before(latest_start)))
    })
}

/// Places the chunks as early as they can have arrived; the one that is `late` as late as it can.
fn forward(grid: &Grid, known: Known, chunks: &mut [Chunk], over: u64, late: Option<usize>) -> Known {
    let Known { mut end, mut arrived } = known;
    let mut rest: u64 = chunks.iter().map(|chunk| chunk.samples).sum();
    for (index, chunk) in chunks.iter_mut().enumerate() {
        let latest = over.checked_sub(rest).map_or(i64::MIN, |start| grid.arrival_before(start));
        rest -= chunk.samples;
        let earliest = arrived.max(chunk.earliest).min(latest);
        arrived = if late == Some(index) { latest } else { earliest };
        chunk.start = end.max(grid.at(arrived.saturating_add(1)));
        end = chunk.start + chunk.samples;
    }
    Known { end, arrived: arrived.max(known.arrived) }
}
