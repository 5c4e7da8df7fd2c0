//! What is known of the way to the provider and back: when something sent can have arrived at the earliest.

use std::collections::VecDeque;

use super::grid::Grid;

/// How long the shortest time that was measured counts, in microseconds. Clocks drift, by 6 ms in this time if they are
/// bad, and paths change.
const REMEMBERED_US: u64 = 32_000_000;
/// Of how many marks the lateness is remembered.
const LATENESSES: usize = 15;

/// The least value of the last half minute, in a fixed number of buckets.
#[derive(Debug, Default)]
struct RecentLeast {
    /// When each begins, and the least value in it.
    buckets: VecDeque<(u64, i64)>,
}

impl RecentLeast {
    fn add(&mut self, at_us: u64, value: i64) {
        const BUCKETS: u64 = 16;
        match self.buckets.back_mut() {
            Some((begun_us, least)) if at_us < begun_us.saturating_add(REMEMBERED_US / BUCKETS) => {
                *least = value.min(*least);
            }
            _ => self.buckets.push_back((at_us, value)),
        }
        // The last value counts, however old it is.
        while self.buckets.len() > 1
            && self
                .buckets
                .front()
                .is_some_and(|(begun_us, _)| begun_us.saturating_add(REMEMBERED_US) < at_us)
        {
            self.buckets.pop_front();
        }
    }

    fn least(&self) -> Option<i64> {
        self.buckets.iter().map(|(_, least)| *least).min()
    }
}

/// Delays, learned from the caller's frames and from marks that met an empty queue.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Local time minus stream clock, of frames as they arrive.
    offset_us: RecentLeast,
    /// From sending something to being able to know that it has arrived.
    round_trip_us: RecentLeast,
    latenesses: VecDeque<i64>,
    longest_lateness: i64,
}

impl Path {
    /// A frame of the caller that begins at `stream_us` arrived.
    pub(super) fn see_frame(&mut self, at_us: u64, stream_us: u64) {
        self.offset_us.add(at_us, difference(at_us, stream_us));
    }

    /// A mark that was sent at `sent_us` came back: it had arrived in `tick` or before. That bounds the round trip.
    pub(super) fn see_echo(&mut self, grid: &Grid, sent_us: u64, tick: i64, at_us: u64) {
        let trip_us = self.bound_us(grid, sent_us, tick, at_us);
        if self.round_trip_us.least().is_some_and(|least_us| trip_us < least_us) {
            self.round_trip_us.add(at_us, trip_us);
        }
    }

    /// A mark met an empty queue: sent at `sent_us`, arrived in `tick`, its echo here at `at_us`.
    pub(super) fn see_empty_mark(&mut self, grid: &Grid, sent_us: u64, tick: i64, at_us: u64) {
        self.see_arrival(grid, sent_us, tick, at_us);
        let late = tick - self.earliest(grid, sent_us);
        self.longest_lateness = self.longest_lateness.max(late);
        if self.latenesses.len() == LATENESSES {
            self.latenesses.pop_front();
        }
        self.latenesses.push_back(late.max(0));
    }

    /// Something that was sent at `sent_us` arrived in `tick`, as was learned at `at_us`.
    pub(super) fn see_arrival(&mut self, grid: &Grid, sent_us: u64, tick: i64, at_us: u64) {
        let trip_us = self.bound_us(grid, sent_us, tick, at_us);
        self.round_trip_us.add(at_us, trip_us);
    }

    /// The longest round trip that an echo allows: it came back by now, and arrived before its tick was over, which is
    /// a bound without the jitter of its way back.
    fn bound_us(&self, grid: &Grid, sent_us: u64, tick: i64, at_us: u64) -> i64 {
        let mut trip_us = difference(at_us, sent_us);
        if let Some(offset_us) = self.offset_us.least() {
            let over_us = grid.begins_us(tick.saturating_add(1));
            let sent_us = difference(sent_us, 0).saturating_sub(offset_us);
            trip_us = trip_us.min(over_us.saturating_sub(sent_us));
        }
        trip_us.max(0)
    }

    /// The earliest tick in which something sent at `sent_us` can have arrived.
    pub(super) fn earliest(&self, grid: &Grid, sent_us: u64) -> i64 {
        let clock_us = difference(sent_us, 0).saturating_sub(self.offset_us.least().unwrap_or(0));
        grid.tick_of_us(clock_us.saturating_add(self.round_trip_us.least().unwrap_or(0)))
    }

    /// By how many ticks things are late, half of the time.
    pub(super) fn usual_lateness(&self) -> i64 {
        let mut sorted: Vec<i64> = self.latenesses.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or(0)
    }

    /// By how many ticks a mark was late, at the most so far.
    pub(super) const fn longest_lateness(&self) -> i64 {
        self.longest_lateness
    }

    /// The shortest round trip of the last half minute, in microseconds.
    pub(super) fn round_trip_us(&self) -> Option<u64> {
        self.round_trip_us.least().map(i64::unsigned_abs)
    }
}

fn difference(us: u64, other_us: u64) -> i64 {
    i64::try_from(i128::from(us) - i128::from(other_us)).unwrap_or(i64::MAX)
}
