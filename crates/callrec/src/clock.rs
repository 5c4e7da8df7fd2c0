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
        Self(now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        now().saturating_duration_since(self.0)
    }

    /// Microseconds since the start: the time of journal records.
    pub(crate) fn us(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    Instant::now()
}

/// Waits.
pub(crate) fn pause(duration: Duration) {
    #[cfg(test)]
    if simulated::pause(duration) {
        return;
    }
    std::thread::sleep(duration);
}

/// The wall's clock, with the offset from UTC that holds here now.
pub(crate) fn local_now() -> LocalTime {
    #[cfg(test)]
    if let Some(now) = simulated::local_now() {
        return now;
    }
    let now = Timestamp::now();
    LocalTime::new(now, TimeZone::system().to_offset(now))
}

/// The clock of a simulated disk, in tests, on threads that have one.
#[cfg(test)]
pub(crate) mod simulated {
    use std::cell::RefCell;

    use callrec_faulty_disk::FaultyDisk;

    use super::{Duration, Instant, LocalTime};

    thread_local! {
        static CLOCK: RefCell<Option<(Instant, FaultyDisk)>> = const { RefCell::new(None) };
        static MEANWHILE: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
    }

    /// From here on, others do this whenever this thread waits, as long as its time is this disk's.
    pub(crate) fn while_it_waits(others: impl Fn() + 'static) {
        MEANWHILE.set(Some(Box::new(others)));
    }

    /// From here on, time is this disk's on this thread; or is the system's again.
    pub(crate) fn use_clock_of(disk: Option<FaultyDisk>) {
        CLOCK.set(disk.map(|disk| (Instant::now(), disk)));
        MEANWHILE.set(None);
    }

    pub(super) fn now() -> Option<Instant> {
        CLOCK.with_borrow(|clock| {
            clock.as_ref().map(|(begin, disk)| *begin + Duration::from_micros(disk.now_us()))
        })
    }

    pub(super) fn pause(duration: Duration) -> bool {
        let waited = CLOCK.with_borrow(|clock| {
            let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
            clock.as_ref().map(|(_, disk)| disk.pass(us)).is_some()
        });
        MEANWHILE.with_borrow(|others| others.iter().for_each(|others| others()));
        waited
    }

    /// Some day of 2025.
    pub(super) fn local_now() -> Option<LocalTime> {
        CLOCK.with_borrow(|clock| {
            let (_, disk) = clock.as_ref()?;
            LocalTime::from_unix_ms(1_752_400_000_000 + disk.now_us() as i64 / 1000, 0)
        })
    }
}
