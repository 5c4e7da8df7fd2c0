//! The provider's ticks, on the track's samples.

use crate::timeline::rate::RateExt;

/// How long a tick of the telephone network is, in microseconds.
pub(super) const TICK_US: u64 = 20_000;

/// Ticks of 20 ms, in step with the caller's frames. Tick `k` plays the samples from `at(k)` to `at(k + 1)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    rate: u32,
    /// Where the caller's frames begin within a tick.
    phase_us: u64,
}

impl Grid {
    pub(super) const fn new(rate: u32) -> Self {
        Self { rate, phase_us: 0 }
    }

    /// The caller's first frame begins here: all do at such moments.
    pub(super) const fn align(&mut self, stream_us: u64) {
        self.phase_us = stream_us % TICK_US;
    }

    /// The first sample of a tick; none lies before the stream.
    pub(super) fn at(&self, tick: i64) -> u64 {
        let us = i128::from(tick) * i128::from(TICK_US) + i128::from(self.phase_us);
        self.rate.samples_in_us(u64::try_from(us.max(0)).unwrap_or(u64::MAX))
    }

    /// The stream clock, in microseconds, when a tick begins.
    pub(super) fn begins_us(&self, tick: i64) -> i64 {
        tick.saturating_mul(TICK_US as i64).saturating_add_unsigned(self.phase_us)
    }

    /// The tick in which a moment of the stream clock lies.
    pub(super) fn tick_of_us(&self, us: i64) -> i64 {
        us.saturating_sub_unsigned(self.phase_us).div_euclid(TICK_US as i64)
    }

    /// The last tick that begins at this sample or before.
    pub(super) fn tick_of(&self, sample: u64) -> i64 {
        let mut tick = self.tick_of_us(i64::try_from(self.rate.us_of(sample)).unwrap_or(i64::MAX));
        // Rates that are no multiple of 50 Hz have ticks that begin between two samples.
        while self.at(tick + 1) <= sample {
            tick += 1;
        }
        tick
    }

    /// The latest tick of arrival of something that begins to be heard at this sample or before.
    pub(super) fn arrival_before(&self, start: u64) -> i64 {
        self.tick_of(start) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_holds_the_samples_from_its_beginning_on() {
        for rate in [8_000, 11_025, 24_000, 48_000] {
            let mut grid = Grid::new(rate);
            grid.align(65_000);
            for tick in 0..2_000 {
                let first = grid.at(tick);
                assert_eq!((grid.tick_of(first), grid.tick_of(first.saturating_sub(1))), (tick, tick - 1));
            }
        }
    }

    #[test]
    fn what_arrives_within_a_tick_is_heard_from_the_next_one_on() {
        let grid = Grid::new(8_000);
        assert_eq!(grid.arrival_before(160), 0);
        assert_eq!(grid.arrival_before(319), 0);
        assert_eq!(grid.arrival_before(0), -1);
    }
}
