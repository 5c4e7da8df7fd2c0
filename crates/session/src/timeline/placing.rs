//! Where a piece of audio belongs that carries the provider's time, or none.

use super::TimelineLimits;
use super::rate::RateExt;

/// A piece may be off its expected place by its own length, but by no more than this, in milliseconds.
const MOST_SLACK_MS: u64 = 60;
/// The clock counts milliseconds: less than this is rounding.
const LEAST_SLACK_MS: u64 = 2;
/// How much further than local time the provider's clock may go without audio, in milliseconds, in all gaps together.
const BELIEVABLE_LEAD_MS: u64 = 10_000;
/// Bursts and stalls of delivery up to this long, in milliseconds, leave audio without a time contiguous.
const BURST_MS: u64 = 250;

/// Places the pieces of one track, one after another.
#[derive(Debug)]
pub(super) struct Placer {
    rate: u32,
    /// Where the next piece is expected, in samples.
    next: u64,
    /// Added to the provider's times since its clock jumped, in milliseconds.
    shift_ms: i128,
    /// By how much gaps were longer than the local time that passed, in milliseconds, less what local time has caught up since.
    lead_ms: u64,
    last: Option<Last>,
}

/// The latest piece: its place on our clock, and when it came.
#[derive(Debug, Clone, Copy)]
struct Last {
    ms: u64,
    at_us: u64,
}

/// Where a piece goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// In samples.
    pub(super) start: u64,
    /// Samples that never came before it.
    pub(super) missing: u64,
    /// Whether the provider's clock jumped.
    pub(super) jumped: bool,
}

impl Placer {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate, next: 0, shift_ms: 0, lead_ms: 0, last: None }
    }

    /// A piece of `len` samples that the provider dates to `stamp_ms`, arrived at `at_us` when the clock read `now_us`.
    pub(super) fn stamped(
        &mut self,
        stamp_ms: u64,
        len: u64,
        at_us: u64,
        now_us: u64,
        limits: &TimelineLimits,
    ) -> Placed {
        let mut ms = i128::from(stamp_ms) + self.shift_ms;
        let next_ms = self.rate.ms_of(self.next);
        let slack_ms = self.rate.ms_of(self.slack(len));
        let jumped = !self.believes(ms, next_ms, slack_ms, at_us, now_us)
            || ms + i128::from(limits.horizon_ms) < i128::from(next_ms);
        if jumped {
            // From here on its clock counts from where the piece would be by its arrival.
            let here = (now_us / 1000).saturating_sub(self.rate.ms_of(len)).max(next_ms);
            self.shift_ms = i128::from(here) - i128::from(stamp_ms);
            ms = i128::from(here);
        }
        let ms = u64::try_from(ms).unwrap_or(0);
        let first = self.last.is_none();
        if self.last.is_none_or(|last| last.ms <= ms || jumped) {
            self.last = Some(Last { ms, at_us });
        }
        let own = self.rate.samples_in_ms(ms);
        let slack = self.slack(len);
        // The piece's own place is compared, not its distance from the one before: so small errors cannot add up.
        let (start, missing) = if !first && own.abs_diff(self.next) < slack {
            (self.next, 0)
        } else if first {
            (own, 0)
        } else {
            (own, own.saturating_sub(self.next))
        };
        self.next = self.next.max(start + len);
        Placed { start, missing, jumped }
    }

    /// How far from its expected place a piece of `len` samples still continues the one before it.
    fn slack(&self, len: u64) -> u64 {
        len.min(self.rate.samples_in_ms(MOST_SLACK_MS)).max(self.rate.samples_in_ms(LEAST_SLACK_MS))
    }

    /// Whether the provider's clock may be at `ms`. Audio moves it by its own length, however fast it is fed, and so does time
    /// that really passed; a gap beyond that is a lead, of which there may be so much and no more.
    fn believes(&mut self, ms: i128, next_ms: u64, slack_ms: u64, at_us: u64, now_us: u64) -> bool {
        let Ok(ms) = u64::try_from(ms) else { return true };
        let (last_ms, passed_ms) = match self.last {
            Some(last) => (last.ms, at_us.saturating_sub(last.at_us) / 1000),
            None => (0, now_us / 1000),
        };
        let gap_ms = ms.saturating_sub(next_ms);
        if gap_ms > passed_ms && gap_ms >= slack_ms {
            let lead_ms = self.lead_ms.saturating_add(gap_ms - passed_ms);
            if lead_ms > BELIEVABLE_LEAD_MS {
                return false;
            }
            self.lead_ms = lead_ms;
        } else if ms >= last_ms {
            self.lead_ms = self.lead_ms.saturating_sub(passed_ms.saturating_sub(ms - last_ms));
        }
        true
    }

    /// A piece of `len` samples without a time: behind the one before it, or, after a pause, where it arrives.
    pub(super) fn untimed(&mut self, len: u64, now_us: u64) -> Placed {
        let arrives = self.rate.samples_in_us(now_us).saturating_sub(len);
        let burst = self.rate.samples_in_ms(BURST_MS);
        let start = if arrives > self.next + burst { arrives } else { self.next };
        self.next = start + len;
        Placed { start, missing: 0, jumped: false }
    }
}
