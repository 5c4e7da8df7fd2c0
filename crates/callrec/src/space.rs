//! How much room the disk has, and when that is too little to begin another recording: the last of it is for the calls
//! that are being recorded.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use callrec_encode::Settings;

use crate::error::RecordError;
use crate::header::Header;
use crate::output::most_bytes_a_second;
use crate::pending::PHONE_LINE_HZ;
use crate::shared::Shared;

/// What is kept at least for each call that is being recorded, in bytes: journal and recording take 20 to 55 kB a second of a phone
/// call, so three to eight minutes of it.
const PER_CALL: u64 = 10_000_000;
/// The same where no audio is: three to four minutes of a journal, of which a relayed call's takes 4 kB a second then.
const PER_CALL_WITHOUT_AUDIO: u64 = 1_000_000;
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

    /// Whether another recording may begin where so many bytes are kept for others.
    pub(crate) fn check(&self, kept: u64) -> Result<(), RecordError> {
        let (least, more) = self.must_be_free(kept);
        let free = self.free.load(Ordering::Acquire);
        if self.least > 0 && free < least.saturating_add(more) {
            return Err(RecordError::DiskLow { free, least });
        }
        Ok(())
    }

    /// How much must be free where so much is kept, and how much more while it is low.
    fn must_be_free(&self, kept: u64) -> (u64, u64) {
        let more = if self.is_low() { MORE.min(self.least / 10) } else { 0 };
        (self.least.saturating_add(kept), more)
    }

    /// How many bytes are left beside that; [`UNKNOWN`] if nobody can say, or it is not looked.
    fn spare(&self, kept: u64) -> u64 {
        let (least, more) = self.must_be_free(kept);
        match self.free() {
            Some(free) if self.least > 0 => free.saturating_sub(least.saturating_add(more)),
            _ => UNKNOWN,
        }
    }

    /// What was measured, where so many bytes are kept; none if the system does not say.
    pub(crate) fn note(&self, free: Option<u64>, kept: u64) {
        self.free.store(free.unwrap_or(UNKNOWN), Ordering::Release);
        let checked = self.check(kept);
        let was_low = self.low.swap(checked.is_err(), Ordering::AcqRel);
        match checked {
            Err(error) if !was_low => tracing::error!(%error, "no new recordings are begun"),
            Ok(()) if was_low => tracing::info!("the disk has room again; new recordings are begun"),
            _ => {}
        }
    }
}

/// What is kept for a call that is recorded so.
pub(crate) fn kept_for_a_call(header: &Header, settings: &Settings) -> u64 {
    let start = &header.start;
    let spec = settings.resolve(start.caller_rate.max(start.assistant_rate)).ok();
    let file = spec.map_or(0, |spec| most_bytes_a_second(&spec));
    let more = (u64::from(start.caller_rate) + u64::from(start.assistant_rate))
        .saturating_sub(2 * u64::from(PHONE_LINE_HZ));
    // Beyond what a phone line has, samples come in 16 bits.
    let journal = JOURNAL_RATE + 2 * more;
    if header.record_audio { PER_CALL.max(LASTS_S * (journal + file)) } else { PER_CALL_WITHOUT_AUDIO }
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
    let kept = shared.kept();
    shared.space.note(free.ok(), kept);
    shared.memory.set_spare_disk(shared.space.spare(kept), waited);
}

/// The same at once, where a file is gone again that had taken of what there is to spare: it is there for the next.
pub(crate) fn measure_what_was_freed(shared: &Shared) {
    if shared.space.least > 0 {
        measure_once(shared);
    }
}

#[cfg(test)]
mod tests {
    use callrec_faulty_disk::FaultyDisk;
    use callrec_session::EndReason;

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::options::CallOptions;
    use crate::shared::Limits;
    use crate::simulated::{LIMITS, recorder_on, settings, speak, work};

    #[test]
    fn a_call_that_began_before_the_disk_was_low_is_recorded_to_its_end() {
        let disk = FaultyDisk::default();
        let limits = Limits { free_disk: 100_000_000, ..LIMITS };
        let (recorder, shared) = recorder_on(&disk, settings(), limits);
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
        speak(&call, 0..50);
        let finishing = call.finish(EndReason::Stopped);
        Journalling::default().turn(&shared);
        work(&shared);
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
        let space = Space::new(100_000_000);
        assert!(space.check(1_000 * PER_CALL).is_ok() && space.free().is_none(), "nothing is known yet");
        space.note(Some(129_999_999), 0);
        assert!(!space.is_low() && space.check(2 * PER_CALL).is_ok());
        let refused = space.check(3 * PER_CALL).unwrap_err();
        assert!(matches!(refused, RecordError::DiskLow { free: 129_999_999, least: 130_000_000 }));
        space.note(Some(99_999_999), 0);
        assert!(space.is_low());
        space.note(Some(109_999_999), 0);
        assert!(space.is_low() && space.check(0).is_err());
        space.note(Some(110_000_000), 0);
        assert!(!space.is_low() && space.check(0).is_ok());
        space.note(None, 5_000 * PER_CALL);
        assert!(!space.is_low());
    }

    #[test]
    fn with_no_least_nothing_is_refused() {
        let space = Space::new(0);
        space.note(Some(0), 10 * PER_CALL);
        assert!(!space.is_low() && space.check(10 * PER_CALL).is_ok());
    }
}

#[cfg(test)]
#[cfg(all(feature = "mp3", feature = "wav"))]
mod kept {
    use callrec_encode::{Format, RateSetting};
    use callrec_faulty_disk::FaultyDisk;
    use callrec_session::{StreamStart, Topology};

    use super::*;
    use crate::clock::{local_now, simulated::use_clock_of};
    use crate::header::THIS_VERSION;
    use crate::shared::Limits;
    use crate::simulated::{LIMITS, recorder_on};
    use crate::{CallOptions, FormatChange};

    #[test]
    fn what_is_kept_of_a_call_lasts_for_three_minutes_and_so_it_does_without_audio() {
        let mut header = Header {
            start: StreamStart::new("CA1", "MZ1", Topology::OneWay),
            started_at: local_now(),
            settings: Settings::default(),
            record_audio: true,
            without_audio: None,
            recorder: THIS_VERSION.to_owned(),
        };
        let large = Settings::default().with_format(Format::Wav).with_rate(RateSetting::Hz(48_000));
        assert_eq!(kept_for_a_call(&header, &header.settings), PER_CALL);
        assert_eq!(kept_for_a_call(&header, &large), 180 * (20_000 + 192_125));
        header.start.assistant_rate = 24_000;
        assert_eq!(kept_for_a_call(&header, &large), 180 * (20_000 + 32_000 + 192_125));
        header.record_audio = false;
        assert_eq!(kept_for_a_call(&header, &large), 1_000_000);
    }

    #[test]
    fn a_call_that_is_to_have_a_larger_file_is_kept_more() {
        let limits = Limits { free_disk: 100_000_000, ..LIMITS };
        let (recorder, shared) = recorder_on(&FaultyDisk::default(), Settings::default(), limits);
        let large = Settings::default().with_format(Format::Wav).with_rate(RateSetting::Hz(48_000));
        let calls = [CallOptions::new("CA1"), CallOptions::new("CA2").settings(large)];
        let [small, _large] = calls.map(|options| recorder.start_call(options).unwrap());
        assert_eq!(shared.kept(), PER_CALL + 180 * 212_125);
        let at_48000 = CallOptions::new("CA3").assistant_rate(48_000);
        small.set_format(&FormatChange::to(Format::Wav)).unwrap();
        assert_eq!(shared.kept(), PER_CALL + 180 * 212_125, "three minutes at 8 kHz are less");
        let _wide = recorder.start_call(at_48000).unwrap();
        recorder.set_format("CA3", &FormatChange::to(Format::Wav)).unwrap();
        assert_eq!(shared.kept(), PER_CALL + 180 * (212_125 + 192_125 + 20_000 + 80_000));
        shared.abandon();
        use_clock_of(None);
    }
}
