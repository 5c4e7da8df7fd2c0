//! What the recorder, its threads and its calls have in common.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use callrec_encode::Settings;
use callrec_store::{CallId, RecordingsDir};

use crate::again::Left;
use crate::error::RecordError;
use crate::live::{LiveCall, lock};
use crate::memory::Memory;
use crate::output::AHEAD_S;
use crate::pending::PendingFormats;
use crate::queue::Queue;
use crate::recovery::WhenRecovered;
use crate::refusals::{Counters, Refusals};
use crate::space::Space;
use crate::status::Health;
use crate::syncing::Synced;
use crate::unjournalled::Unjournalled;
use crate::untold::Untold;

/// How much there may be of what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Streams that are live or being completed.
    pub(crate) calls: usize,
    /// Bytes that wait for the disk, over all calls.
    pub(crate) waiting_bytes: usize,
    /// Bytes of the disk that must be free.
    pub(crate) free_disk: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: RecordingsDir,
    pub(crate) settings: Settings,
    pub(crate) record_audio: bool,
    pub(crate) max_calls: usize,
    /// How far the recording of a live call may be ahead of time and need no leave, in seconds.
    pub(crate) ahead_s: u64,
    pub(crate) memory: Arc<Memory>,
    pub(crate) space: Space,
    pub(crate) counters: Arc<Counters>,
    pub(crate) pending: Mutex<PendingFormats>,
    pub(crate) journal_error: Mutex<Option<String>>,
    pub(crate) recovering: AtomicBool,
    /// Journals that recovery has before it.
    pub(crate) recoveries_waiting: AtomicUsize,
    pub(crate) when_recovered: WhenRecovered,
    /// Recordings are left in their journals that are to be tried again.
    pub(crate) left: Left,
    pub(crate) unjournalled: Unjournalled,
    pub(crate) untold: Untold,
    /// In an order that does not depend on the process: so do faults in tests not.
    calls: Mutex<BTreeMap<CallId, Vec<Arc<LiveCall>>>>,
    count: AtomicUsize,
    serials: AtomicU64,
    closing: AtomicBool,
    stopping: AtomicBool,
    abandoned: AtomicBool,
    /// Counts the turns of the journal's thread.
    turns: Mutex<Turns>,
    turn: Condvar,
    queue: Mutex<Queue>,
    /// Workers wait for a call here, one for each.
    queued: Condvar,
    /// Whoever works on nothing else waits here for one that has ended.
    ended: Condvar,
    /// Who waits for nothing but the end waits here.
    stopped: Condvar,
    synced: Mutex<Synced>,
}

/// What the journal's thread is to write before its time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wanted {
    #[default]
    Nothing,
    /// The calls that are marked as urgent.
    Urgent,
    /// All calls.
    All,
}

#[derive(Debug, Default)]
struct Turns {
    wanted: Wanted,
    begun: u64,
    done: u64,
}

impl Shared {
    pub(crate) fn new(dir: RecordingsDir, settings: Settings, record_audio: bool, limits: Limits) -> Self {
        Self {
            dir,
            record_audio,
            max_calls: limits.calls,
            ahead_s: AHEAD_S,
            memory: Memory::new(limits.waiting_bytes),
            space: Space::new(limits.free_disk),
            settings,
            counters: Arc::default(),
            pending: Mutex::default(),
            journal_error: Mutex::default(),
            recovering: AtomicBool::new(false),
            recoveries_waiting: AtomicUsize::new(0),
            when_recovered: WhenRecovered::default(),
            left: Left::default(),
            unjournalled: Unjournalled::default(),
            untold: Untold::default(),
            calls: Mutex::default(),
            count: AtomicUsize::new(0),
            serials: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            turns: Mutex::default(),
            turn: Condvar::new(),
            queue: Mutex::default(),
            queued: Condvar::new(),
            ended: Condvar::new(),
            stopped: Condvar::new(),
            synced: Mutex::default(),
        }
    }

    /// How many streams are live or being completed.
    pub(crate) fn unfinished(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// How many bytes of the disk are kept for them.
    pub(crate) fn kept(&self) -> u64 {
        kept(&lock(&self.calls))
    }

    /// Adds a call, unless there are too many, the disk is nearly full and its audio is to be recorded, or the recorder closes.
    pub(crate) fn add(&self, call: &Arc<LiveCall>) -> Result<(), RecordError> {
        let mut calls = lock(&self.calls);
        if self.closing.load(Ordering::Acquire) {
            return Err(RecordError::Closing);
        }
        if self.unfinished() >= self.max_calls {
            return Err(RecordError::TooManyCalls { most: self.max_calls });
        }
        if call.header.record_audio {
            self.space.check(kept(&calls))?;
        }
        self.count.fetch_add(1, Ordering::AcqRel);
        calls.entry(call.id.clone()).or_default().push(Arc::clone(call));
        Ok(())
    }

    /// Frees a call.
    pub(crate) fn forget(&self, call: &Arc<LiveCall>) {
        let mut calls = lock(&self.calls);
        let Some(streams) = calls.get_mut(&call.id) else { return };
        let before = streams.len();
        streams.retain(|stream| !Arc::ptr_eq(stream, call));
        self.count.fetch_sub(before - streams.len(), Ordering::AcqRel);
        if streams.is_empty() {
            calls.remove(&call.id);
        }
    }

    /// A number that no call had.
    pub(crate) fn next_serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn live_calls(&self) -> Vec<Arc<LiveCall>> {
        lock(&self.calls).values().flatten().cloned().collect()
    }

    /// The streams of a call, in the order in which they began.
    pub(crate) fn streams(&self, call: &CallId) -> Vec<Arc<LiveCall>> {
        lock(&self.calls).get(call).cloned().unwrap_or_default()
    }

    /// No call is added from here on.
    pub(crate) fn close(&self) {
        let _calls = lock(&self.calls);
        self.closing.store(true, Ordering::Release);
    }

    /// The threads end when nothing is left to do.
    pub(crate) fn stop(&self) {
        self.close();
        self.stopping.store(true, Ordering::Release);
        self.wake_journal(Wanted::All);
        let _queue = lock(&self.queue);
        self.queued.notify_all();
        self.ended.notify_all();
        self.stopped.notify_all();
    }

    /// What is not finished is left in its journal: the threads end as soon as they are told to.
    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Has a call's journal written now.
    pub(crate) fn hurry(&self, call: &LiveCall) {
        call.urgent.store(true, Ordering::Release);
        self.wake_journal(Wanted::Urgent);
    }

    /// Has journals written now.
    pub(crate) fn wake_journal(&self, what: Wanted) {
        let mut turns = lock(&self.turns);
        turns.wanted = turns.wanted.max(what);
        self.turn.notify_all();
    }

    /// Waits until journals are to be written, at most for so long; tells which.
    pub(crate) fn wait_for_turn(&self, patience: Duration) -> Wanted {
        let turns = lock(&self.turns);
        let idle = lock(&self.calls).is_empty() && !self.has_journal_error();
        // With no call there is nothing to write until one begins, which wakes us; but a disk that refused is tried.
        let patience = if idle { Duration::from_secs(3600) } else { patience };
        let (mut turns, _) = self
            .turn
            .wait_timeout_while(turns, patience, |turns| {
                turns.wanted == Wanted::Nothing && !self.is_stopping()
            })
            .unwrap_or_else(PoisonError::into_inner);
        let wanted = std::mem::take(&mut turns.wanted);
        if self.is_stopping() {
            drop(turns);
            // Its calls are being sealed or completed: look again soon, but do not spin.
            std::thread::sleep(Duration::from_millis(2));
            return Wanted::All;
        }
        if wanted == Wanted::Nothing { Wanted::All } else { wanted }
    }

    pub(crate) fn has_journal_error(&self) -> bool {
        lock(&self.journal_error).is_some()
    }

    pub(crate) fn journal_turn_begins(&self) {
        lock(&self.turns).begun += 1;
    }

    pub(crate) fn journal_turn_done(&self) {
        lock(&self.turns).done += 1;
        self.turn.notify_all();
    }

    /// Waits until the journal's thread has gone round once more, or ends; for so long at most.
    pub(crate) fn journal_turn(&self, patience: Duration) {
        let mut turns = lock(&self.turns);
        // The turn that is under way may have passed by already.
        let until = turns.begun + 1;
        turns.wanted = Wanted::All;
        self.turn.notify_all();
        let waiting = |turns: &mut Turns| turns.done < until && !self.is_stopping();
        drop(self.turn.wait_timeout_while(turns, patience, waiting));
    }

    /// Waits for a moment, or until the threads are to end; tells which.
    pub(crate) fn wait_for_stop(&self, patience: Duration) -> bool {
        let queue = lock(&self.queue);
        drop(self.stopped.wait_timeout_while(queue, patience, |_| !self.is_stopping()));
        self.is_stopping()
    }

    /// Has a worker bring the call's take up to date; before those of live calls if it has ended, though it waited among these.
    pub(crate) fn schedule(&self, call: &Arc<LiveCall>) {
        if call.scheduled.swap(true, Ordering::AcqRel) {
            if call.sealed.load(Ordering::Acquire) && lock(&self.queue).move_up(call) {
                self.ended.notify_one();
            }
            return;
        }
        lock(&self.queue).push(Arc::clone(call));
        self.queued.notify_one();
        if call.sealed.load(Ordering::Acquire) {
            self.ended.notify_one();
        }
    }

    /// Has a worker go on with a call that has ended, which it has worked on.
    pub(crate) fn go_on(&self, call: &Arc<LiveCall>) {
        lock(&self.queue).push_first(Arc::clone(call));
        self.queued.notify_one();
        self.ended.notify_one();
    }

    /// The next call to work on; none when the recorder is gone and nothing is left.
    pub(crate) fn next_work(&self) -> Option<Arc<LiveCall>> {
        self.next_of(&self.queued, Queue::pop)
    }

    /// The next that has ended; none when the recorder is gone and nothing is left.
    pub(crate) fn next_ended(&self) -> Option<Arc<LiveCall>> {
        self.next_of(&self.ended, Queue::pop_ended)
    }

    fn next_of(
        &self,
        queued: &Condvar,
        pop: impl Fn(&mut Queue) -> Option<Arc<LiveCall>>,
    ) -> Option<Arc<LiveCall>> {
        let mut queue = lock(&self.queue);
        loop {
            if self.is_stopping() && self.is_abandoned() {
                return None;
            }
            if let Some(call) = pop(&mut queue) {
                return Some(call);
            }
            if self.is_stopping() && self.count.load(Ordering::Acquire) == 0 {
                return None;
            }
            let waited = queued.wait_timeout(queue, Duration::from_millis(200));
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// How many calls wait for a worker.
    pub(crate) fn takes_waiting(&self) -> usize {
        lock(&self.queue).len()
    }

    /// The next call to work on, if there is one.
    #[cfg(test)]
    pub(crate) fn work_at_hand(&self) -> Option<Arc<LiveCall>> {
        lock(&self.queue).pop()
    }

    pub(crate) fn begin_sync(&self) {
        lock(&self.synced).begin();
    }

    pub(crate) fn set_synced(&self, result: Result<(), String>) {
        let live = self.live_calls();
        lock(&self.synced).end(result, &live);
    }

    pub(crate) fn health(&self) -> Health {
        let calls = self.live_calls();
        let finishing = calls.iter().filter(|call| call.has_ended()).count();
        let (sync_behind, sync_error) = lock(&self.synced).told();
        let journal_behind = calls.iter().map(|call| call.journal_behind()).max().unwrap_or_default();
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Health {
            live: calls.len() - finishing,
            finishing,
            most: self.max_calls,
            waiting_bytes: self.memory.held() as u64,
            most_waiting_bytes: self.memory.most() as u64,
            journal_behind_ms: ms(journal_behind),
            journal_error: lock(&self.journal_error).clone(),
            sync_error,
            sync_behind_ms: ms(sync_behind),
            takes_waiting: self.takes_waiting(),
            recovering: self.recovering.load(Ordering::Acquire),
            recoveries_waiting: self.recoveries_waiting.load(Ordering::Acquire),
            left_in_journals: self.left.is_any(),
            left_for_a_person: self.left.is_for_a_person(),
            disk_free_bytes: self.space.free(),
            disk_low: self.space.check(self.kept()).err().map(|error| error.to_string()),
            refused: Refusals {
                events_call_full: self.memory.call_full(),
                events_memory_full: self.memory.refused(),
                journals_full: self.memory.journals_full(),
                recordings_no_room: self.memory.no_room(),
                ..self.counters.refusals()
            },
        }
    }
}

fn kept(calls: &BTreeMap<CallId, Vec<Arc<LiveCall>>>) -> u64 {
    calls.values().flatten().map(|call| call.kept()).sum()
}
