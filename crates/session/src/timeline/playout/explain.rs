//! When chunks began to be heard, given where the echo of the mark behind them was found.
//!
//! A chunk begins where the one before it ended, or, if the queue ran empty, with the tick after its own arrival. An echo
//! tells in which tick everything before its mark had been played. So the pauses between the chunks are known in sum;
//! which chunk was late is found as the cheapest explanation: the one that was late by the least.

use super::grid::Grid;

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
        let early = grid.tick_of(fit.known.end);
        match cheapest {
            Some((late, index)) => {
                let known_if_late = forward(grid, known, chunks, over, Some(index));
                let moved = grid.tick_of(known_if_late.end) - early;
                if late <= mark_late {
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

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: Known = Known { end: 0, arrived: -1 };

    fn chunk(samples: u64, earliest: i64) -> Chunk {
        Chunk { samples, earliest, start: 0 }
    }

    fn reached_in(tick: i64, earliest: i64) -> Echo {
        Echo { played: tick, empty: tick, earliest }
    }

    fn starts(chunks: &[Chunk]) -> Vec<u64> {
        chunks.iter().map(|chunk| chunk.start).collect()
    }

    #[test]
    fn chunks_that_are_over_when_the_mark_is_reached_are_where_they_arrived() {
        let mut chunks = [chunk(320, 0), chunk(160, 3)];
        let fit = explain(&Grid::new(8_000), BEGIN, &mut chunks, reached_in(4, 3), 0);
        assert_eq!((starts(&chunks), fit.too_late, fit.met_empty), (vec![160, 640], 0, false));
        assert_eq!(fit.known, Known { end: 800, arrived: 3 });
    }

    #[test]
    fn a_chunk_that_seems_to_arrive_after_it_was_over_arrived_before() {
        let mut chunks = [chunk(160, 10), chunk(160, 10)];
        let fit = explain(&Grid::new(8_000), BEGIN, &mut chunks, reached_in(5, 4), 0);
        assert_eq!((starts(&chunks), fit.too_late), (vec![640, 800], 0));
    }

    #[test]
    fn of_all_that_can_have_been_late_it_is_what_was_late_by_the_least() {
        let grid = Grid::new(8_000);
        // 20 ms each; the mark was reached three ticks after the second can have been over at the earliest.
        let mut chunks = [chunk(160, 0), chunk(160, 2)];
        let fit = explain(&grid, BEGIN, &mut chunks, reached_in(6, 2), 9);
        assert_eq!((starts(&chunks), fit.met_empty, fit.doubt), (vec![160, 960], false, 3));
        // The mark alone was late by less than the chunk: it met an empty queue.
        let mut chunks = [chunk(160, 0)];
        let fit = explain(&grid, BEGIN, &mut chunks, reached_in(6, 4), 9);
        assert_eq!((starts(&chunks), fit.met_empty, fit.doubt), (vec![160], true, 5));
        assert_eq!(fit.known, Known { end: 320, arrived: 6 });
    }

    #[test]
    fn what_cannot_have_been_over_says_by_how_much_it_is_too_late() {
        let mut chunks = [];
        let known = Known { end: 1_600, arrived: 5 };
        let fit = explain(&Grid::new(8_000), known, &mut chunks, reached_in(6, 5), 0);
        assert_eq!((fit.too_late, fit.met_empty), (1_600 - 7 * 160, false));
    }
}
