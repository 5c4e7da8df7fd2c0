//! What the disk had no room for, or refused, is tried again when there is room and time, and what another process was at is recovered
//! when that is gone: no start is needed.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use callrec_store::CallId;

use crate::clock::Stopwatch;
use crate::finish::UNEXPECTED;
use crate::live::lock;
use crate::recovery::recover_or_tell;
use crate::shared::Shared;
use crate::take::TakeError;
use crate::unjournalled::tell_when_due;

/// Whether recordings are left in their journals that are to be tried again.
#[derive(Debug, Default)]
pub(crate) struct Left {
    is_any: AtomicBool,
    /// Of those that this process had its turn at, the journals that are left, by call and number: none is another's doing.
    tried: Mutex<HashSet<(CallId, u32)>>,
    /// Those of which nothing is made any more, since that ended the process too often.
    for_a_person: Mutex<HashSet<(CallId, u32)>>,
}

impl Left {
    pub(crate) fn is_any(&self) -> bool {
        self.is_any.load(Ordering::Acquire)
    }

    /// One is, and its journal is free.
    pub(crate) fn note(&self) {
        self.is_any.store(true, Ordering::Release);
    }

    /// This process had its turn at a journal and leaves it, or may: that it is there and free does not mean that another left it.
    pub(crate) fn note_tried(&self, call: &CallId, number: u32) {
        lock(&self.tried).insert((call.clone(), number));
    }

    /// It is gone.
    pub(crate) fn forget_tried(&self, call: &CallId, number: u32) {
        lock(&self.tried).remove(&(call.clone(), number));
    }

    fn was_tried(&self, call: &CallId, number: u32) -> bool {
        lock(&self.tried).contains(&(call.clone(), number))
    }

    /// It is not tried again, since that ended the process too often.
    pub(crate) fn note_for_a_person(&self, call: &CallId, number: u32) {
        lock(&self.for_a_person).insert((call.clone(), number));
    }

    pub(crate) fn is_for_a_person(&self) -> bool {
        !lock(&self.for_a_person).is_empty()
    }

    /// No journals are there but these: of others somebody else made the recording.
    fn keep(&self, there: &HashSet<(CallId, u32)>) {
        for left in [&self.tried, &self.for_a_person] {
            lock(left).retain(|journal| there.contains(journal));
        }
    }

    /// All are tried now: what is left from here on is for the next time.
    pub(crate) fn begin_again(&self) {
        self.is_any.store(false, Ordering::Release);
        lock(&self.for_a_person).clear();
        lock(&self.tried).clear();
    }

    /// Gives up the journal of a recording of which no take succeeded, and then notes it, if that was the disk's doing, or if not all of
    /// the journal is safe. The other way round, a recovery that comes in between finds it owned, and nobody tries it again.
    pub(crate) fn leave(&self, journal: impl Send + 'static, error: &TakeError, is_safe: bool) {
        drop(journal);
        if !error.is_of_the_format() || !is_safe {
            self.note();
        }
    }
}

/// For how long what the disk had no room for is left alone at first. Each time in vain it is twice as long.
const FIRST_AGAIN: Duration = Duration::from_secs(60);
const LAST_AGAIN: Duration = Duration::from_secs(3600);
/// How often it is looked whether it is time.
const TIME_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether another process is gone, and left what it was at.
const OTHERS_EVERY: Duration = Duration::from_secs(60);

/// When what the disk had no room for, or refused, is tried again.
#[derive(Debug)]
pub(crate) struct Again {
    since: Option<Stopwatch>,
    pause: Duration,
    first: Duration,
    last: Duration,
}

impl Again {
    pub(crate) fn new() -> Self {
        Self::between(FIRST_AGAIN, LAST_AGAIN)
    }

    pub(crate) fn between(first: Duration, last: Duration) -> Self {
        Self { since: None, pause: first, first, last }
    }

    /// Whether it is time to recover again.
    pub(crate) fn is_due(&mut self, shared: &Shared) -> bool {
        self.is_time(shared.left.is_any(), || !shared.space.is_low())
    }

    /// Whether it is time to try what there is.
    pub(crate) fn is_time(&mut self, is_any: bool, has_room: impl Fn() -> bool) -> bool {
        if !is_any {
            *self = Self::between(self.first, self.last);
            return false;
        }
        let left_for = self.since.get_or_insert_with(Stopwatch::start).elapsed();
        if left_for < self.pause || !has_room() {
            return false;
        }
        *self = Self { since: None, pause: (self.pause * 2).min(self.last), ..*self };
        true
    }
}

/// Recovers whenever something is left for which there may be room by now, or another process left it, and tells of calls that have no
/// journal.
pub(crate) fn try_again(shared: &Shared) {
    let mut again = Again::new();
    let mut looked = Stopwatch::start();
    while !shared.wait_for_stop(TIME_EVERY) {
        if catch_unwind(AssertUnwindSafe(|| tell_when_due(shared))).is_err() {
            tracing::error!("calls that have no journal could not be told of: {UNEXPECTED}");
        }
        let mut is_time = again.is_due(shared);
        if looked.elapsed() >= OTHERS_EVERY && !shared.space.is_low() {
            looked = Stopwatch::start();
            is_time |= another_left_something(shared);
        }
        if is_time {
            recover_or_tell(shared);
        }
    }
}

/// Whether there is a journal that nobody holds, and that this process had no turn at. Each is held for a moment.
fn another_left_something(shared: &Shared) -> bool {
    let journals = match shared.dir.free_journals() {
        Ok(journals) => journals,
        Err(error) => {
            tracing::debug!(%error, "it is not known whether another process left a journal");
            return false;
        }
    };
    shared.left.keep(&journals.iter().map(|journal| (journal.call().clone(), journal.number())).collect());
    let mut new =
        journals.into_iter().filter(|journal| !shared.left.was_tried(journal.call(), journal.number()));
    new.any(|journal| matches!(journal.lock(), Ok(Some(_))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
    use callrec_session::EndReason;

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::live::Outcome;
    use crate::options::CallOptions;
    use crate::recorder::Recorder;
    use crate::recovery::{Recovery, recover};
    use crate::simulated::{LIMITS, recorder_on, settings, speak, work};
    use crate::status::CallFiles;

    #[test]
    fn a_journal_is_free_before_it_is_told_that_it_is_left_and_only_the_disks_doing_is_tried_again() {
        /// Stands for a journal, and looks when it is given up whether it was told of.
        struct Owned(Arc<Left>);
        impl Drop for Owned {
            fn drop(&mut self) {
                assert!(!self.0.is_any(), "whoever comes now finds it owned");
            }
        }
        let left = Arc::new(Left::default());
        left.leave(Owned(Arc::clone(&left)), &TakeError::Panic, true);
        assert!(!left.is_any(), "it would fail again");
        left.leave(Owned(Arc::clone(&left)), &TakeError::NoRoom, true);
        assert!(left.is_any());
        left.begin_again();
        left.leave(Owned(Arc::clone(&left)), &TakeError::Panic, false);
        assert!(left.is_any(), "it is to be written again");
    }

    /// The disk refuses something as a call ends, and then nothing any more; tells what the call's owner was told, and what is known of
    /// the call when its journal is gone.
    fn ends_while_refused(refused: Operation) -> (Outcome, CallFiles) {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        speak(&call, 0..50);
        let finishing = call.finish(EndReason::Stopped);
        let mut journalling = Journalling::default();
        journalling.turn(&shared);
        disk.set_faults(Faults::refusing(&[refused]));
        let told = loop {
            work(&shared);
            if let Some(outcome) = finishing.wait_timeout(Duration::ZERO) {
                break outcome;
            }
            journalling.turn(&shared);
        };
        let has_journal = || disk.files().iter().any(|(path, _)| path.ends_with(".journal"));
        assert!(shared.health().left_in_journals && has_journal());

        disk.set_faults(Faults::none());
        until_no_journal_is_left(&disk, &shared);
        (told, recorder.files("CA1").unwrap())
    }

    /// Tries again as time passes, until no journal is left.
    fn until_no_journal_is_left(disk: &FaultyDisk, shared: &Shared) {
        let has_journal = || disk.files().iter().any(|(path, _)| path.ends_with(".journal"));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                use_clock_of(Some(disk.clone()));
                try_again(shared);
            });
            for _ in 0..400 {
                disk.pass(10_000_000);
                if !has_journal() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            shared.abandon();
            shared.stop();
        });
        assert!(!has_journal() && !shared.health().left_in_journals);
        use_clock_of(None);
    }

    #[test]
    fn what_another_process_was_at_is_recovered_when_that_is_gone_and_no_start_is_needed() {
        for began_before in [true, false] {
            let disk = FaultyDisk::default();
            let start = || recorder_on(&disk, settings(), LIMITS);
            let speaks = |recorder: &Recorder| {
                let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
                speak(&call, 0..50);
                call
            };
            let (other, its) = start();
            let (recorder, shared) = start();
            let none = Recovery::default();
            if !began_before {
                assert_eq!(recover(&shared).unwrap(), none, "there is nothing to be seen of it yet");
            }
            let [call, live] = [&other, &recorder].map(speaks);
            for shared in [&its, &shared] {
                Journalling::default().turn(shared);
            }
            if began_before {
                assert_eq!(recover(&shared).unwrap(), Recovery { owned: 2, ..none });
            }
            assert!(
                !another_left_something(&shared) && !shared.health().left_in_journals,
                "nothing is wrong"
            );
            // The other is killed.
            its.abandon();
            drop((call, other, its));
            assert!(another_left_something(&shared));
            let finishing = live.finish(EndReason::Stopped);
            Journalling::default().turn(&shared);
            work(&shared);
            finishing.wait_timeout(Duration::ZERO).unwrap().unwrap();
            until_no_journal_is_left(&disk, &shared);
            let streams = recorder.files("CA1").unwrap().details.streams;
            let of_both: Vec<_> =
                streams.iter().map(|stream| (stream.recovered, stream.duration_ms)).collect();
            assert_eq!(of_both, [(true, 1_000), (false, 1_000)], "{began_before}");
            assert!(lock(&shared.left.tried).is_empty(), "nothing is remembered of what is gone");
        }
    }

    #[test]
    fn a_journal_that_this_process_had_its_turn_at_is_not_another_processs() {
        let disk = FaultyDisk::default();
        let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
        let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
        speak(&call, 0..50);
        // A summary of a later version cannot be added to: the journal stays when the audio is published.
        shared.dir.write_atomic("call_CA1_summary.json", br#"{"version":999}"#).unwrap();
        let finishing = call.finish(EndReason::Stopped);
        Journalling::default().turn(&shared);
        work(&shared);
        finishing.wait_timeout(Duration::ZERO).unwrap().unwrap_err();
        for _ in 0..2 {
            assert!(disk.files().iter().any(|(path, _)| path.ends_with(".journal")));
            assert!(!another_left_something(&shared));
            assert_eq!(recover(&shared).unwrap().failed, 1);
        }
        // It is made, or moved away, by whoever comes next: there is none for a person any more either.
        shared.left.note_for_a_person(&CallId::new("CA1").unwrap(), 1);
        assert!(!another_left_something(&shared) && shared.health().left_for_a_person);
        drop(shared.dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap().set_aside().unwrap());
        assert!(!another_left_something(&shared) && !shared.health().left_for_a_person);
        assert!(lock(&shared.left.tried).is_empty());
        shared.abandon();
        use_clock_of(None);
    }

    #[test]
    fn a_recording_that_a_full_disk_refused_is_made_when_it_has_room_again_and_no_start_is_needed() {
        let (told, files) = ends_while_refused(Operation::Write(What::Partial));
        let told = told.unwrap_err().to_string();
        assert!(told.contains("tried again"), "{told}");
        let stream = &files.details.streams[0];
        assert!(files.is_saved() && stream.recovered && stream.completeness.is_complete());
        assert_eq!((stream.duration_ms, stream.audio.file().is_some()), (1_000, true));
    }

    #[test]
    fn a_journal_that_is_kept_for_a_sync_that_failed_or_cannot_be_removed_goes_later_and_no_start_is_needed()
    {
        for refused in [Operation::SyncDirectory(What::Recording), Operation::Remove(What::Journal)] {
            let (told, files) = ends_while_refused(refused);
            let stream = &files.details.streams[0];
            assert!(told.unwrap().is_saved() && files.is_saved(), "{refused:?}");
            assert!(!stream.recovered, "{refused:?}: it was saved when the call ended");
            assert_eq!((stream.duration_ms, files.recordings.len()), (1_000, 1), "{refused:?}");
        }
    }
}
