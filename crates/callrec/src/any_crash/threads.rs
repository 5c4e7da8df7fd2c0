//! The recorder's threads, played on one: what each does in its turn, and recovery with the others in between.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use callrec_faulty_disk::FaultyDisk;
use callrec_simulator::Luck;

use super::life::{Going, Known, Told};
use super::plan::{Plan, SECOND_US, TURN_US};
use crate::again::Again;
use crate::clock::Stopwatch;
use crate::journalling::{EVERY, Journalling};
use crate::live::lock;
use crate::recorder::Recorder;
use crate::recovery::recover_or_tell;
use crate::shared::Shared;
use crate::syncing::{SYNC_EVERY, Syncing};
use crate::workers::work_on;

/// What was met in a life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Met {
    /// A recording found no room.
    pub(super) no_room: bool,
    /// That of a live call waited for it, and was saved at its end.
    pub(super) waited: bool,
    /// What was left was made into a recording when it was tried again.
    pub(super) again: bool,
    /// Something was recovered while a call was live, which went on meanwhile.
    pub(super) beside: bool,
}

pub(super) struct Threads {
    pub(super) plan: Plan,
    pub(super) disk: FaultyDisk,
    pub(super) begun_us: u64,
    /// The files that were there already.
    pub(super) left_before: BTreeSet<String>,
    /// From which time on there is as much free as there was when it was measured last.
    pub(super) free_from_us: AtomicU64,
    recorder: Recorder,
    pub(super) shared: Arc<Shared>,
    journalling: Mutex<Journalling>,
    /// When the journals were written last.
    written_us: AtomicU64,
    /// And when they are synced next.
    syncing: Mutex<(Syncing, u64)>,
    again: Mutex<Again>,
    pub(super) recovering_since: Mutex<Option<u64>>,
    /// The others have their turn between two operations of recovery.
    between: AtomicBool,
    /// How many calls were live in these.
    beside: AtomicU64,
    luck: Mutex<Luck>,
    pub(super) going: Mutex<Vec<Going>>,
    /// By the mark of a moment.
    pub(super) known: Mutex<Vec<Known>>,
    pub(super) met: Mutex<Met>,
    pub(super) harm: Mutex<Option<String>>,
}

impl Threads {
    pub(super) fn new(plan: &Plan, disk: &FaultyDisk, (recorder, shared): (Recorder, Arc<Shared>)) -> Self {
        let begun_us = disk.now_us();
        let going = plan.streams.iter().map(|stream| Going::new(stream, begun_us, plan.room.is_some()));
        let threads = Self {
            plan: plan.clone(),
            disk: disk.clone(),
            begun_us,
            left_before: disk.files().into_iter().map(|(path, _)| path).collect(),
            free_from_us: AtomicU64::new(u64::MAX),
            recorder,
            shared,
            journalling: Mutex::default(),
            written_us: AtomicU64::new(0),
            syncing: Mutex::new((Syncing::default(), begun_us + SYNC_EVERY.as_micros() as u64)),
            again: Mutex::new(Again::new()),
            recovering_since: Mutex::default(),
            between: AtomicBool::new(false),
            beside: AtomicU64::new(0),
            luck: Mutex::new(Luck::new(plan.seed)),
            going: Mutex::new(going.collect()),
            known: Mutex::default(),
            met: Mutex::default(),
            harm: Mutex::default(),
        };
        threads.note();
        threads
    }

    /// What happens in a tenth of a second, but for syncs.
    pub(super) fn turn(&self) {
        self.measure();
        let (shared, now_us) = (&*self.shared, self.disk.now_us());
        lock(&self.going).iter_mut().for_each(|going| going.speak(&self.recorder, now_us));
        if now_us >= self.written_us.load(Ordering::Acquire) + EVERY.as_micros() as u64 {
            self.write_journals();
        } else {
            lock(&self.journalling).write_urgent(shared);
        }
        while let Some(call) = shared.work_at_hand() {
            let (met, is_live) = (shared.memory.no_room(), !call.has_ended());
            work_on(shared, &call);
            self.look_at_room();
            if shared.memory.no_room() > met && is_live {
                lock(&self.going).iter_mut().for_each(|going| going.note_wait(&call.header.start.stream));
            }
        }
        lock(&self.going).iter_mut().for_each(|going| going.look(&self.disk));
        self.note();
    }

    /// The same with a sync, if it is time.
    pub(super) fn turn_and_sync(&self) {
        self.turn();
        let mut syncing = lock(&self.syncing);
        if self.disk.now_us() >= syncing.1 {
            let began = Stopwatch::start();
            self.write_journals();
            let wait = syncing.0.turn(&self.shared, began);
            syncing.1 = self.disk.now_us() + wait.as_micros() as u64;
        }
    }

    fn write_journals(&self) {
        self.written_us.store(self.disk.now_us(), Ordering::Release);
        lock(&self.journalling).turn(&self.shared);
    }

    /// Recovers if it is time: what an earlier process left, at some time of the first second; what was left in this one, when it is tried
    /// again.
    pub(super) fn recover_in_time(&self, turn: u64) {
        if self.plan.earlier.is_some() && turn == self.plan.seed % 10 {
            self.recover();
        }
        let is_due = self.plan.recovers() && lock(&self.again).is_due(&self.shared);
        if is_due && self.recover() {
            lock(&self.met).again = true;
        }
    }

    /// Recovers, with the others in between; tells whether that made anything.
    fn recover(&self) -> bool {
        *lock(&self.recovering_since) = Some(self.disk.now_us());
        self.beside.store(0, Ordering::Release);
        self.note();
        let recovery = recover_or_tell(&self.shared);
        *lock(&self.recovering_since) = None;
        self.note();
        lock(&self.met).beside |= recovery.finished > 0 && self.beside.load(Ordering::Acquire) > 0;
        recovery.finished > 0
    }

    /// What the others do between two operations of recovery.
    pub(super) fn between(&self) {
        if lock(&self.recovering_since).is_none() || self.between.swap(true, Ordering::AcqRel) {
            return;
        }
        self.look_at_room();
        if lock(&self.luck).percent(8) {
            self.beside.fetch_add(self.shared.unfinished() as u64, Ordering::AcqRel);
            self.turn_and_sync();
            self.disk.pass(TURN_US);
        }
        self.between.store(false, Ordering::Release);
    }

    /// Lets time pass: more of it where nothing goes on.
    pub(super) fn pass(&self) {
        let soon_us = self.disk.now_us() + SECOND_US;
        let is_idle = lock(&self.going).iter().all(|going| going.is_idle(soon_us));
        self.disk.pass(if self.plan.recovers() && is_idle { SECOND_US } else { TURN_US });
    }

    /// Whether all is over, and nothing is left that is tried again.
    pub(super) fn is_over(&self) -> bool {
        let is_left = self.plan.recovers() && self.shared.left.is_any();
        !is_left && lock(&self.going).iter().all(|going| going.told != Told::Nothing)
    }

    /// Notes what is known, for the moments from here on.
    fn note(&self) {
        let before = self.plan.earlier.as_ref().map_or(0, |earlier| earlier.streams.len());
        let mut told = vec![Told::Nothing; before];
        told.extend(lock(&self.going).iter().map(|going| going.told));
        let beside = lock(&self.recovering_since).is_some() && self.shared.unfinished() > 0;
        let (now, mut known) = (Known { told, beside }, lock(&self.known));
        if known.last() != Some(&now) {
            known.push(now);
            self.disk.mark(known.len() - 1);
        }
    }

    /// What was met, at the end.
    pub(super) fn met(&self) -> Met {
        let waited = lock(&self.going).iter().any(|going| going.waited && going.told == Told::Saved);
        Met { no_room: self.shared.memory.no_room() > 0, waited, ..*lock(&self.met) }
    }
}
