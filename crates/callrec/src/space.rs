//! How much room the disk has, and when that is too little to begin another recording: the last of it is for the calls
//! that are being recorded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::RecordError;
use crate::shared::Shared;

/// What is kept for each call that is being recorded, in bytes: journal and recording take 20 to 55 kB a second of a phone
/// call, so three to eight minutes of it.
pub(crate) const PER_CALL: u64 = 10_000_000;
/// How often it is measured.
const EVERY: Duration = Duration::from_secs(1);
/// Nobody has measured yet, or the system does not say.
const UNKNOWN: u64 = u64::MAX;

/// The room on the disk, as it was measured last.
#[derive(Debug)]
pub(crate) struct Space {
    /// How much must be free beside what is kept for live calls; 0: it is not looked.
    least: u64,
    free: AtomicU64,
    low: AtomicBool,
}

impl Space {
    pub(crate) fn new(least: u64) -> Self {
        Self { least, free: AtomicU64::new(UNKNOWN), low: AtomicBool::new(false) }
    }

    /// How many bytes were free, if it is known.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Acquire)).filter(|free| *free != UNKNOWN)
    }

    pub(crate) fn is_low(&self) -> bool {
        self.low.load(Ordering::Acquire)
    }

    /// Whether another recording may begin beside so many. Once there was too little room, there must be a tenth more.
    pub(crate) fn check(&self, live: usize) -> Result<(), RecordError> {
        let kept = PER_CALL.saturating_mul(u64::try_from(live).unwrap_or(u64::MAX));
        let least = self.least.saturating_add(kept);
        let more = if self.is_low() { self.least / 10 } else { 0 };
        let free = self.free.load(Ordering::Acquire);
        if self.least > 0 && free < least.saturating_add(more) {
            return Err(RecordError::DiskLow { free, least });
        }
        Ok(())
    }

    /// What was measured, while so many calls are being recorded; none if the system does not say.
    pub(crate) fn note(&self, free: Option<u64>, live: usize) {
        self.free.store(free.unwrap_or(UNKNOWN), Ordering::Release);
        let checked = self.check(live);
        let was_low = self.low.swap(checked.is_err(), Ordering::AcqRel);
        match checked {
            Err(error) if !was_low => tracing::error!(%error, "no new recordings are begun"),
            Ok(()) if was_low => tracing::info!("the disk has room again; new recordings are begun"),
            _ => {}
        }
    }
}

/// Measures until the recorder is gone. On a thread of its own: a disk that hangs holds up nothing else.
pub(crate) fn measure(shared: &Shared) {
    while !shared.wait_for_stop(EVERY) {
        measure_once(shared);
    }
}

pub(crate) fn measure_once(shared: &Shared) {
    let free = shared.dir.free_space().inspect_err(|error| {
        tracing::debug!(%error, "it is not known how much of the disk is free");
    });
    shared.space.note(free.ok(), shared.unfinished());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_grows_with_the_calls_and_a_disk_that_was_low_needs_a_tenth_more() {
        let space = Space::new(100_000_000);
        assert!(space.check(1_000).is_ok() && space.free().is_none(), "nothing is known yet");
        space.note(Some(129_999_999), 0);
        assert!(!space.is_low() && space.check(2).is_ok());
        let refused = space.check(3).unwrap_err();
        assert!(matches!(refused, RecordError::DiskLow { free: 129_999_999, least: 130_000_000 }));
        space.note(Some(99_999_999), 0);
        assert!(space.is_low());
        space.note(Some(109_999_999), 0);
        assert!(space.is_low() && space.check(0).is_err());
        space.note(Some(110_000_000), 0);
        assert!(!space.is_low() && space.check(0).is_ok());
        space.note(None, 5_000);
        assert!(!space.is_low());
    }

    #[test]
    fn with_no_least_nothing_is_refused() {
        let space = Space::new(0);
        space.note(Some(0), 10);
        assert!(!space.is_low() && space.check(10).is_ok());
    }
}
