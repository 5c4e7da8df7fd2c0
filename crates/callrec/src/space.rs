//! How much room the disk has, and when that is too little to begin another recording: the last of it is for the calls
//! that are being recorded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use callrec_encode::Settings;

use crate::error::RecordError;
use crate::output::most_bytes_a_second;
use crate::pending::PHONE_LINE_HZ;
use crate::shared::Shared;

/// What is kept at least for each call that is being recorded, in bytes: journal and recording take 20 to 55 kB a second of a phone
/// call, so three to eight minutes of it.
const PER_CALL: u64 = 10_000_000;
/// For how long what is kept lasts, in seconds, where files take more.
const LASTS_S: u64 = 180;
/// What a journal takes of a phone call that is relayed, in bytes a second.
const JOURNAL_RATE: u64 = 20_000;
/// Once there was too little room, there must be so much more before another recording begins: what a moment frees is
/// soon taken again.
const MORE: u64 = 50_000_000;
/// How often it is measured.
const EVERY: Duration = Duration::from_secs(1);
/// Nobody has measured yet, or the system does not say.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// The room on the disk, as it was measured last.
#[derive(Debug)]
pub(crate) struct Space {
    /// How much must be free beside what is kept for live calls; 0: it is not looked.
    least: u64,
    /// What is kept for each live call.
    per_call: u64,
    free: AtomicU64,
    low: AtomicBool,
}

impl Space {
    pub(crate) fn new(least: u64, per_call: u64) -> Self {
        Self { least, per_call, free: AtomicU64::new(UNKNOWN), low: AtomicBool::new(false) }
    }

    /// How many bytes were free, if it is known.
    pub(crate) fn free(&self) -> Option<u64> {
        Some(self.free.load(Ordering::Acquire)).filter(|free| *free != UNKNOWN)
    }

    pub(crate) fn is_low(&self) -> bool {
        self.low.load(Ordering::Acquire)
    }

    /// Whether another recording may begin beside so many.
    pub(crate) fn check(&self, live: usize) -> Result<(), RecordError> {
        let (least, more) = self.must_be_free(live);
        let free = self.free.load(Ordering::Acquire);
        if self.least > 0 && free < least.saturating_add(more) {
            return Err(RecordError::DiskLow { free, least });
        }
        Ok(())
    }

    /// How much must be free beside so many calls, and how much more while it is low.
    fn must_be_free(&self, live: usize) -> (u64, u64) {
        let kept = self.per_call.saturating_mul(u64::try_from(live).unwrap_or(u64::MAX));
        let more = if self.is_low() { MORE.min(self.least / 10) } else { 0 };
        (self.least.saturating_add(kept), more)
    }

    /// How many bytes are left beside that; [`UNKNOWN`] if nobody can say, or it is not looked.
    fn spare(&self, live: usize) -> u64 {
        let (least, more) = self.must_be_free(live);
        match self.free() {
            Some(free) if self.least > 0 => free.saturating_sub(least.saturating_add(more)),
            _ => UNKNOWN,
        }
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

/// What is kept for each call that is recorded so. Where no audio is, it is nothing: what is said takes next to none.
pub(crate) fn kept_for_a_call(settings: &Settings, record_audio: bool) -> u64 {
    let spec = settings.resolve(PHONE_LINE_HZ).ok().filter(|_| record_audio);
    let lasting = spec.map(|spec| LASTS_S * (JOURNAL_RATE + most_bytes_a_second(&spec)));
    lasting.map_or(0, |lasting| lasting.max(PER_CALL))
}

/// Measures until the recorder is gone. On a thread of its own: a disk that hangs holds up nothing else.
pub(crate) fn measure(shared: &Shared) {
    while !shared.wait_for_stop(EVERY) {
        measure_once(shared);
    }
}

pub(crate) fn measure_once(shared: &Shared) {
    let waited = shared.memory.held();
    let free = shared.dir.free_space().inspect_err(|error| {
        tracing::debug!(%error, "it is not known how much of the disk is free");
    });
    let live = shared.unfinished();
    shared.space.note(free.ok(), live);
    shared.memory.set_spare_disk(shared.space.spare(live), waited);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callrec_encode::Format;
    use callrec_faulty_disk::FaultyDisk;
    use callrec_session::EndReason;
    use callrec_store::RecordingsDir;

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::recorder::{Handle, Recorder};
    use crate::shared::Limits;
    use crate::workers::work_on;
    use crate::{Audio, CallOptions};

    #[test]
    fn a_call_that_began_before_the_disk_was_low_is_recorded_to_its_end() {
        let disk = FaultyDisk::default();
        use_clock_of(Some(disk.clone()));
        let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), "/responses").unwrap();
        let limits = Limits { calls: 10, waiting_bytes: 1_000_000, free_disk: 100_000_000 };
        let settings = Settings::default().with_format(Format::compiled().last().unwrap());
        let shared = Arc::new(Shared::new(dir, settings, true, limits));
        let recorder = Recorder::new(Handle::new(Arc::clone(&shared)));
        disk.set_free(110_000_000);
        measure_once(&shared);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        disk.set_free(99_000_000);
        measure_once(&shared);
        let refused = recorder.start_call(CallOptions::new("CA2")).unwrap_err();
        assert!(
            matches!(refused, RecordError::DiskLow { free: 99_000_000, least: 110_000_000 }),
            "{refused}"
        );
        assert_eq!(recorder.health().refused.calls_disk_low, 1);
        (0..50).for_each(|frame: u64| call.caller_at(frame * 20, Audio::mulaw(&[0x10; 160])));
        let finishing = call.finish(EndReason::Stopped);
        Journalling::default().turn(&shared);
        while let Some(call) = shared.work_at_hand() {
            work_on(&shared, &call);
        }
        let files = finishing.wait_timeout(Duration::ZERO).unwrap().unwrap();
        assert_eq!(files.details.streams[0].duration_ms, 1_000);
        disk.set_free(109_000_000);
        measure_once(&shared);
        assert!(recorder.start_call(CallOptions::new("CA2")).is_err(), "it is not much more yet");
        disk.set_free(110_000_000);
        measure_once(&shared);
        drop((finishing, recorder.start_call(CallOptions::new("CA2")).unwrap()));
        shared.abandon();
        use_clock_of(None);
    }

    #[test]
    fn what_is_kept_grows_with_the_calls_and_a_disk_that_was_low_needs_a_tenth_more() {
        let space = Space::new(100_000_000, PER_CALL);
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
    fn calls_without_audio_are_kept_no_room() {
        let space = Space::new(100_000_000, kept_for_a_call(&Settings::default(), false));
        space.note(Some(100_000_000), 10_000);
        assert!(!space.is_low() && space.check(10_000).is_ok());
        space.note(Some(99_999_999), 0);
        assert!(space.check(0).is_err());
    }

    #[test]
    fn with_no_least_nothing_is_refused() {
        let space = Space::new(0, PER_CALL);
        space.note(Some(0), 10);
        assert!(!space.is_low() && space.check(10).is_ok());
    }
}
