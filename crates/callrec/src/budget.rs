//! How much a stream may put into its journal: a budget that grows with time. A bot that sends without end fills no disk with it, and
//! takes from no other call what is kept for it.

use crate::memory::Memory;

/// What a stream may have journalled at once, however little room the disk has: less than is kept for each live call. It grows
/// again as fast as [`OwnRate`] says.
const OWN: u64 = 4 * 1024 * 1024;
/// What it may have beyond that where the disk has more than it must: ten minutes at 24 kHz in 16 bits, twice. So much of each stream
/// is far from all that is kept free.
const MORE: u64 = 64 * 1024 * 1024;
/// How fast that grows again, in bytes a second.
const MORE_RATE: u64 = 1_000_000;
/// Of its own so much is for what is small: audio that comes without end leaves it.
const FOR_SMALL: u64 = 64 * 1024;

/// What a stream may still have journalled.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Budget {
    own: Share,
    more: Share,
}

/// How fast a stream's own budget grows again, in kB a second. It is beside it, where it takes no room of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnRate(u16);

impl OwnRate {
    /// Of a stream whose tracks have so many samples a second together: what these are in 16 bits, twice.
    pub(crate) fn new(rate_hz: u32) -> Self {
        Self(u16::try_from(rate_hz.saturating_mul(4) / 1000).unwrap_or(u16::MAX).max(1))
    }
}

impl Budget {
    /// Whether a record of so many bytes may be journalled at this time; if so, it is counted.
    pub(crate) fn take(
        &mut self,
        bytes: u64,
        at_us: u64,
        is_audio: bool,
        rate: OwnRate,
        memory: &Memory,
    ) -> bool {
        let own = if is_audio { OWN - FOR_SMALL } else { OWN };
        if self.own.take(bytes, at_us, own, u64::from(rate.0) * 1000) {
            return true;
        }
        let mut more = self.more;
        if !more.take(bytes, at_us, MORE, MORE_RATE) || !memory.take_spare_disk(bytes, 0) {
            return false;
        }
        self.more = more;
        true
    }
}

/// When all of it will be there again, in microseconds of the stream.
#[derive(Debug, Clone, Copy, Default)]
struct Share(u64);

impl Share {
    fn take(&mut self, bytes: u64, at_us: u64, most: u64, rate: u64) -> bool {
        let us = |bytes: u64| bytes.saturating_mul(1_000_000).div_ceil(rate);
        let whole_at = self.0.max(at_us).saturating_add(us(bytes));
        if whole_at - at_us > us(most) {
            return false;
        }
        self.0 = whole_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use callrec_encode::Format;
    use callrec_faulty_disk::FaultyDisk;
    use callrec_session::{EndReason, Topology};

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::shared::Limits;
    use crate::simulated::{LIMITS, recorder_on, settings, work};
    use crate::space::measure_once;
    use crate::{Audio, CallOptions, FormatChange, SetFormatError};

    const SECOND: u64 = 1_000_000;
    const PHONE: OwnRate = OwnRate(64);

    #[test]
    fn a_budget_grows_with_time_to_what_it_was_and_leaves_room_for_what_is_small() {
        let memory = Memory::new(usize::MAX);
        let mut budget = Budget::default();
        let mut taken = |at_us: u64, is_audio: bool| {
            (0..).take_while(|_| budget.take(1_000, at_us, is_audio, PHONE, &memory)).count() as u64 * 1_000
        };
        let all = OWN + MORE - FOR_SMALL;
        assert!(all.abs_diff(taken(0, true)) <= 2_000);
        assert!(FOR_SMALL.abs_diff(taken(0, false)) <= 2_000, "what is small");
        // What is small gets its share again first; from there on a second brings 1 MB, and twice what both tracks are in 16 bits.
        taken(2 * SECOND, true);
        assert!((MORE_RATE + 64_000).abs_diff(taken(3 * SECOND, true)) <= 2_000);
        // However long nothing comes, there is never more than at first.
        assert!(all.abs_diff(taken(10_000 * SECOND, true)) <= 2_000);
        // The same in small pieces, from what is its own alone.
        let mut drops = Budget::default();
        memory.set_spare_disk(0, 0);
        assert!(drops.take(OWN - FOR_SMALL, 0, true, PHONE, &memory));
        let bytes = (0..SECOND).filter(|at_us| drops.take(1, *at_us, true, PHONE, &memory)).count();
        assert!((62_000..=64_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn ten_minutes_at_24_khz_at_once_are_in_the_budget_again_and_again() {
        let memory = Memory::new(usize::MAX);
        let mut budget = Budget::default();
        for burst in 0..20 {
            let whole = (0..30_000).all(|_| budget.take(990, burst * 30 * SECOND, true, PHONE, &memory));
            assert!(whole, "burst {burst}");
        }
    }

    #[test]
    fn changes_of_format_without_end_are_refused_until_there_is_room_again() {
        let disk = FaultyDisk::default();
        let limits = Limits { waiting_bytes: 1_000_000_000, ..LIMITS };
        let (recorder, shared) = recorder_on(&disk, settings(), limits);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        shared.memory.set_spare_disk(0, 0);
        let change = FormatChange::to(Format::compiled().last().unwrap());
        let set = || recorder.set_format("CA1", &change);
        let refused = (0..100_000).find_map(|_| set().err()).unwrap();
        assert!(matches!(refused, SetFormatError::NoRoom), "{refused}");
        assert!(matches!(call.set_format(&change), Err(SetFormatError::NoRoom)));
        disk.pass(SECOND);
        assert!(set().is_ok());
        let _finishing = call.finish(EndReason::Stopped);
        assert!(matches!(set(), Err(SetFormatError::TooLate)));
        shared.abandon();
        use_clock_of(None);
    }

    #[test]
    fn one_that_floods_is_refused_and_told_and_takes_nothing_of_what_is_kept_for_the_call_beside() {
        let disk = FaultyDisk::default();
        let limits = Limits { waiting_bytes: 1_000_000_000, free_disk: 100_000_000, ..LIMITS };
        let (recorder, shared) = recorder_on(&disk, settings(), limits);
        let begin = |options: CallOptions| recorder.start_call(options).unwrap();
        let floods = begin(CallOptions::new("CA1").topology(Topology::Relay));
        let beside = begin(CallOptions::new("CA2"));
        let on_disk = |of: &str| -> u64 {
            let files = disk.files().into_iter().filter(|(path, _)| path.contains(of));
            files.map(|(_, bytes)| bytes.len() as u64).sum()
        };
        let (mut journalling, seconds) = (Journalling::default(), 8);
        for second in 0..seconds {
            // 10 MB beside what must be free.
            disk.set_free(130_000_000 - on_disk(""));
            measure_once(&shared);
            for _ in 0..20 {
                floods.assistant(Audio::mulaw(&[0x55; 750_000]));
                floods.clear();
                floods.mark_sent("mark");
            }
            for frame in second * 50..(second + 1) * 50 {
                beside.caller_at(frame * 20, Audio::mulaw(&[0x10; 160]));
                beside.assistant_at(frame * 20, Audio::mulaw(&[0x20; 160]));
            }
            journalling.turn(&shared);
            disk.pass(SECOND);
        }
        let journal = on_disk("CA1");
        assert!((10_000_000..OWN + 10_000_000 + seconds * 64_000).contains(&journal), "{journal} bytes");
        assert!(on_disk("") < 20_000_000, "{} bytes", on_disk(""));

        let finishing = [floods, beside].map(|call| call.finish(EndReason::Stopped));
        journalling.turn(&shared);
        work(&shared);
        let [floods, beside] = finishing
            .map(|call| call.wait_timeout(Duration::ZERO).unwrap().unwrap().details.streams[0].clone());
        assert!(beside.completeness.is_complete(), "{:?}", beside.completeness.sentences());
        assert_eq!((beside.duration_ms, beside.completeness.caller.frames), (8_000, 400));
        let dropped = &floods.completeness.dropped;
        let refused = recorder.health().refused;
        assert_eq!((dropped.audio, dropped.messages), (refused.journals_full, 0), "{refused:?}");
        assert!(dropped.audio > 130 && !floods.completeness.is_complete(), "{dropped:?}");
        assert_eq!((floods.ended, refused.events_call_full), (EndReason::Stopped, 0));
        let marks = floods.completeness.playout.map(|playout| playout.marks);
        assert_eq!(marks, Some(seconds * 20), "what is small comes through");
        shared.abandon();
        use_clock_of(None);
    }
}
