//! The one place of this crate that reads clocks: a monotonic one for journals, the wall's for file dates.
#![allow(
    clippy::disallowed_methods,
    reason = "the facade's clock; everything below it takes time as an argument"
)]

use std::time::{Duration, Instant};

use callrec_summary::LocalTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Counts from when it was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Microseconds since the start: the time of journal records.
    pub(crate) fn us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The wall's clock, with the offset from UTC that holds here now.
pub(crate) fn local_now() -> LocalTime {
    let now = Timestamp::now();
    LocalTime::new(now, TimeZone::system().to_offset(now))
}
