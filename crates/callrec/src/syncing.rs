//! The thread that brings to the disk what the journals' thread has written.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use callrec_store::StoreError;

use crate::clock::Stopwatch;
use crate::journalling::EVERY;
use crate::live::{LiveCall, lock};
use crate::shared::Shared;

/// How often the journals are synced, from the beginning of one sync to that of the next.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Brings to the disk, once a second, what was written.
pub(crate) fn sync_journals(shared: &Shared) {
    let (mut syncing, mut wait) = (Syncing::default(), SYNC_EVERY);
    while !shared.wait_for_stop(wait) {
        let began = Stopwatch::start();
        if shared.unfinished() > 0 {
            // All that came until now is covered, so that nothing waits for longer than from this sync to the end of the next; but
            // not where the journals cannot be written as fast: what is, is not to wait for the rest.
            shared.journal_turn(EVERY);
        }
        wait = syncing.turn(shared, began);
    }
}

/// What is safe of each journal: what was written when the last sync began that was good, and the one before it was too.
#[derive(Default)]
pub(crate) struct Syncing {
    synced: HashMap<u64, u64>,
    has_failed: bool,
}

impl Syncing {
    /// Syncs, if anything was written since the last time. `began` is when it was begun to write that; tells how long to wait for the
    /// next time.
    pub(crate) fn turn(&mut self, shared: &Shared, began: Stopwatch) -> Duration {
        let committed: HashMap<u64, u64> =
            shared.live_calls().iter().map(|call: &Arc<LiveCall>| (call.serial, call.committed())).collect();
        if committed == self.synced {
            shared.set_synced(Ok(()));
            return SYNC_EVERY;
        }
        shared.begin_sync();
        let result = if shared.dir.syncs_all() { shared.dir.sync() } else { sync_each(shared) };
        if let Err(error) = &result {
            tracing::error!(%error, "the journals could not be synced; a power loss now may lose more than two seconds");
        }
        let is_good = result.is_ok();
        shared.set_synced(result.map_err(|error| error.to_string()));
        if !is_good {
            self.has_failed = true;
        } else if std::mem::take(&mut self.has_failed) {
            // What that was to write, no later sync brings to the disk, unless it is written again.
            self.has_failed = !write_again(shared, &self.synced);
        } else {
            self.synced = committed;
        }
        SYNC_EVERY.saturating_sub(began.elapsed())
    }
}

/// Writes again what is not safe of each journal; tells whether all of it was taken.
fn write_again(shared: &Shared, synced: &HashMap<u64, u64>) -> bool {
    let mut is_taken = true;
    for call in shared.live_calls() {
        let from = synced.get(&call.serial).copied().unwrap_or(0);
        if let Some(journal) = &mut *lock(&call.journal)
            && let Err(error) = journal.write_again(from)
        {
            tracing::error!(call = call.id.for_log(), %error, "what a failed sync was to write of a journal could not be written again; it is tried again");
            is_taken = false;
        }
    }
    is_taken
}

/// Syncs every journal, whatever becomes of another; the first error is told.
fn sync_each(shared: &Shared) -> Result<(), StoreError> {
    let mut result = Ok(());
    for call in shared.live_calls() {
        if let Some(journal) = &mut *lock(&call.journal) {
            result = result.and(journal.sync());
        }
    }
    result
}

/// What is known of syncing, to be told.
#[derive(Debug, Default)]
pub(crate) struct Synced {
    /// Since when something waits to be synced.
    since: Option<Stopwatch>,
    error: Option<String>,
    /// The calls that were live when it failed.
    doubted: Vec<Weak<LiveCall>>,
}

impl Synced {
    pub(crate) fn begin(&mut self) {
        self.since.get_or_insert_with(Stopwatch::start);
    }

    /// A sync is over, and these calls are live.
    pub(crate) fn end(&mut self, result: Result<(), String>, live: &[Arc<LiveCall>]) {
        match result {
            Ok(()) => {
                self.since = None;
                // What a failed sync covered is never trusted again, whatever later ones say: it is told as long as that is needed. At
                // the end of a call its recording is synced by itself.
                let is_live = |doubted: &Weak<LiveCall>| {
                    live.iter().any(|call| std::ptr::eq(Arc::as_ptr(call), doubted.as_ptr()))
                };
                self.doubted.retain(is_live);
                if self.doubted.is_empty() {
                    self.error = None;
                }
            }
            Err(error) => {
                self.error = Some(error);
                self.doubted = live.iter().map(Arc::downgrade).collect();
            }
        }
    }

    /// How far behind it is, and what went wrong.
    pub(crate) fn told(&self) -> (Duration, Option<String>) {
        (self.since.map_or(Duration::ZERO, |since| since.elapsed()), self.error.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
    use callrec_session::EndReason;

    use super::*;
    use crate::clock::simulated::use_clock_of;
    use crate::journalling::Journalling;
    use crate::recorder::Recorder;
    use crate::simulated::{LIMITS, journal, recorder_on, safe, settings, settled, work};
    use crate::{Audio, Call, CallOptions};

    /// A recorder whose threads are played here.
    struct Played {
        disk: FaultyDisk,
        recorder: Recorder,
        shared: Arc<Shared>,
        journalling: Journalling,
        syncing: Syncing,
    }

    impl Played {
        /// Where each journal has a sync of its own, or where one is of everything.
        fn new(of_each: bool) -> Self {
            let disk = FaultyDisk::default();
            disk.lack(false, of_each);
            let (recorder, shared) = recorder_on(&disk, settings(), LIMITS);
            Self { disk, recorder, shared, journalling: Journalling::default(), syncing: Syncing::default() }
        }

        fn begin(&self, call: &str) -> Call {
            self.recorder.start_call(CallOptions::new(call)).unwrap()
        }

        fn write(&mut self) {
            self.journalling.turn(&self.shared);
            work(&self.shared);
        }

        /// A frame of the call, and a sync.
        fn sync(&mut self, call: &Call) {
            call.caller(Audio::mulaw(&[0x10; 160]));
            self.write();
            self.syncing.turn(&self.shared, Stopwatch::start());
        }

        /// For how long a sync is behind, and whether one failed.
        fn told(&self) -> (u64, bool) {
            let health = self.recorder.health();
            (health.sync_behind_ms, health.sync_error.is_some())
        }
    }

    impl Drop for Played {
        fn drop(&mut self) {
            self.disk.clear_meanwhile();
            self.shared.abandon();
            use_clock_of(None);
        }
    }

    #[test]
    fn what_a_failed_sync_was_to_write_is_written_again_when_the_disk_is_well() {
        for (of_each, operation) in
            [(false, Operation::SyncEverything), (true, Operation::Sync(What::Journal))]
        {
            // The first of its syncs, with which the header goes, or a later one; and when it is written again, that is taken, or refused
            // once.
            for (good, is_refused) in [(0, false), (2, false), (0, true), (2, true)] {
                let mut played = Played::new(of_each);
                let call = played.begin("CA1");
                (0..good).for_each(|_| played.sync(&call));
                played.disk.set_faults(Faults::refusing(&[operation]));
                (0..3).for_each(|_| played.sync(&call));
                if is_refused {
                    played.disk.set_faults(Faults::refusing(&[Operation::Write(What::Journal)]));
                    played.sync(&call);
                }
                played.disk.set_faults(Faults::none());
                // One that is good, and one behind what was written again.
                (0..2).for_each(|_| played.sync(&call));
                let is_safe = journal(&safe(&played.disk)) == journal(&played.disk);
                assert!(is_safe, "{operation:?} behind {good} good ones, {is_refused}");
            }
        }
    }

    /// Where there is one sync of everything, and where each journal has its own.
    const KINDS: [(bool, Operation); 2] =
        [(false, Operation::SyncEverything), (true, Operation::Sync(What::Journal))];

    /// What the disk may refuse of a recording, so that its journal is left.
    const REFUSED: [&[Operation]; 4] = [
        &[Operation::Write(What::Partial)],
        &[Operation::RenameToFree(What::Recording)],
        &[Operation::SyncDirectory(What::Recording)],
        &[Operation::Rename(What::SummaryJson)],
    ];

    #[test]
    fn what_a_failed_sync_was_to_write_of_a_journal_that_is_left_is_written_again() {
        for ((of_each, operation), refused) in
            KINDS.into_iter().flat_map(|kind| REFUSED.map(|refused| (kind, refused)))
        {
            let mut played = Played::new(of_each);
            let call = played.begin("CA1");
            (0..2).for_each(|_| played.sync(&call));
            played.disk.set_faults(Faults::refusing(&[operation]));
            (0..3).for_each(|_| played.sync(&call));
            // It ends before a sync succeeds.
            played.disk.set_faults(Faults::refusing(refused));
            let finishing = call.finish(EndReason::Stopped);
            drop(settled(&played.shared, &mut played.journalling, &finishing));
            assert!(played.recorder.health().left_in_journals, "{refused:?}");
            let is_safe = journal(&safe(&played.disk)) == journal(&played.disk);
            assert!(is_safe, "{operation:?} failed before {refused:?}");
        }
    }

    #[test]
    fn a_journal_that_is_left_and_that_no_sync_brought_to_the_disk_is_written_again_by_those_who_try_it_again()
     {
        for refused in &REFUSED[..2] {
            let mut played = Played::new(false);
            let call = played.begin("CA1");
            played.sync(&call);
            call.caller(Audio::mulaw(&[0x10; 160]));
            let faults = Faults::refusing(&[*refused, &[Operation::Sync(What::Journal)]].concat());
            played.disk.set_faults(faults);
            let finishing = call.finish(EndReason::Stopped);
            drop(settled(&played.shared, &mut played.journalling, &finishing));
            assert!(journal(&safe(&played.disk)) != journal(&played.disk), "{refused:?}");
            // Each time that a recording cannot be made either.
            assert!(played.recorder.health().left_in_journals);
            played.disk.set_faults(Faults::refusing(refused));
            assert_eq!(played.recorder.recover().unwrap().failed, 1);
            assert!(journal(&safe(&played.disk)) == journal(&played.disk), "{refused:?}");
        }
    }

    #[test]
    fn a_sync_that_takes_long_is_told_as_long_as_it_takes() {
        let mut played = Played::new(false);
        let call = played.begin("CA1");
        played.sync(&call);
        assert_eq!(played.told(), (0, false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (recorder, sees) = (played.recorder.clone(), Arc::clone(&seen));
        played.disk.set_meanwhile(move || lock(&sees).push(recorder.health().sync_behind_ms));
        played.disk.set_sync_us(1_500_000);
        played.sync(&call);
        assert_eq!(*lock(&seen), (1..=15).map(|tenths| tenths * 100).collect::<Vec<u64>>());
        assert_eq!(played.told(), (0, false), "it is done");
    }

    #[test]
    fn a_sync_that_fails_is_told_until_one_succeeds_and_the_calls_that_it_was_of_are_over() {
        for (of_each, operation) in
            [(false, Operation::SyncEverything), (true, Operation::Sync(What::Journal))]
        {
            let mut played = Played::new(of_each);
            let (first, second) = (played.begin("CA1"), played.begin("CA2"));
            played.sync(&first);
            assert_eq!(played.told(), (0, false));

            played.disk.set_faults(Faults::refusing(&[operation]));
            played.sync(&first);
            assert_eq!(played.told(), (0, true));
            let why = played.recorder.health().sync_error.unwrap();
            assert!(why.contains("sync") && why.contains("a simulated failure"), "{why}");
            played.disk.pass(700_000);
            assert_eq!(played.told(), (700, true));
            played.sync(&first);
            played.disk.pass(700_000);
            assert_eq!(played.told(), (1_400, true), "since the first that failed");

            played.disk.set_faults(Faults::none());
            played.sync(&first);
            assert_eq!(played.told(), (0, true), "it may have forgotten what it did not write");
            let finishing = first.finish(EndReason::Stopped);
            played.write();
            finishing.wait_timeout(Duration::ZERO).unwrap().unwrap();
            let later = played.begin("CA3");
            played.sync(&later);
            assert_eq!(played.told(), (0, true), "of the other call, too");
            let other = second.finish(EndReason::Stopped);
            played.write();
            other.wait_timeout(Duration::ZERO).unwrap().unwrap();
            played.sync(&later);
            assert_eq!(played.told(), (0, false), "it is well again");
        }
    }

    #[test]
    fn a_call_that_has_the_place_in_memory_of_one_that_is_gone_is_synced_all_the_same() {
        let mut played = Played::new(false);
        for number in 0..50 {
            let call = played.begin(&format!("CA{:02}", number % 2));
            let before = played.disk.syncs().len();
            played.sync(&call);
            assert!(played.disk.syncs()[before..].contains(&Operation::SyncEverything), "in call {number}");
            let finishing = call.finish(EndReason::Stopped);
            played.write();
            assert!(finishing.wait_timeout(Duration::ZERO).unwrap().is_ok());
        }
    }
}
