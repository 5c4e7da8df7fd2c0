//! The thread that writes every live call's journal, and the one that syncs them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callrec_store::{CallId, JournalWriter, RecordingsDir, StoreError};

use crate::clock::Stopwatch;
use crate::error::RecordError;
use crate::live::{LiveCall, lock};
use crate::shared::Shared;
use crate::status::CallFiles;

/// How often the journals are written: what a killed process loses at most, with room to spare.
pub(crate) const EVERY: Duration = Duration::from_millis(100);
/// How often the takes of live calls are brought up to date, in turns of [`EVERY`].
const TAKES_EVERY: u32 = 10;
/// How often a disk that refuses is tried again, in turns.
const RETRY_EVERY: u32 = 10;
/// How often it is tried for a call that has ended, before the call is given up.
const LAST_TRIES: u32 = 5;
/// How often a directory that refused is tried when nothing waits for it any more, in turns.
const PROBE_EVERY: u32 = 20;
/// How often the journals are synced, from the beginning of one sync to that of the next.
pub(crate) const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Writes until the recorder is gone and every call is sealed.
pub(crate) fn write_journals(shared: &Shared) {
    let mut journalling = Journalling::default();
    loop {
        let idle = journalling.turn(shared);
        shared.journal_turn_done();
        if shared.is_stopping() && (idle || shared.is_abandoned()) {
            return;
        }
        shared.wait_for_turn(EVERY);
    }
}

/// What is remembered from one turn to the next.
#[derive(Default)]
pub(crate) struct Journalling {
    refusals: HashMap<usize, u32>,
    turn: u32,
}

impl Journalling {
    /// Writes once what waits; tells whether there was no call.
    pub(crate) fn turn(&mut self, shared: &Shared) -> bool {
        let calls = shared.live_calls();
        self.turn = self.turn.wrapping_add(1);
        let Self { refusals, turn } = self;
        let mut refused = None;
        for call in calls.iter().filter(|call| !call.sealed.load(Ordering::Acquire)) {
            let key = Arc::as_ptr(call) as usize;
            let tries = refusals.get(&key).copied().unwrap_or(0);
            if tries > 0 && !turn.is_multiple_of(RETRY_EVERY) {
                continue;
            }
            match write(&shared.dir, call) {
                Ok(()) => {
                    refusals.remove(&key);
                }
                Err(error) => {
                    if tries == 0 {
                        tracing::error!(call = %call.id, %error, "the journal cannot be written; trying again");
                    }
                    let ended_for = refusals.entry(key).or_insert(0);
                    *ended_for = if call.has_ended() { *ended_for + 1 } else { 1 };
                    if *ended_for > LAST_TRIES {
                        give_up(shared, call, &error);
                    }
                    refused = Some(error.to_string());
                }
            }
            if call.sealed.load(Ordering::Acquire) {
                refusals.remove(&key);
                shared.schedule(call, true);
            } else if turn.is_multiple_of(TAKES_EVERY) && call.committed() > 0 {
                shared.schedule(call, false);
            }
        }
        if refused.is_some() {
            *lock(&shared.journal_error) = refused;
        } else if refusals.is_empty() && turn.is_multiple_of(PROBE_EVERY) && shared.has_journal_error() {
            // Nothing waits that could tell whether the disk is well again: the calls were written, or given up.
            let probed = shared.dir.probe().err().map(|error| error.to_string());
            *lock(&shared.journal_error) = probed;
        }
        calls.is_empty()
    }
}

/// Brings what waits into the call's journal, which is made if it is not there yet.
fn write(dir: &RecordingsDir, call: &LiveCall) -> Result<(), StoreError> {
    let mut outgoing = lock(&call.outgoing);
    let ended = if outgoing.is_empty() { call.drain(&mut outgoing) } else { false };
    if outgoing.is_empty() {
        return Ok(());
    }
    let mut journal = lock(&call.journal);
    let writer = match &mut *journal {
        Some(writer) => writer,
        none => none.insert(create(dir, call)?),
    };
    writer.append(&outgoing.bytes)?;
    call.committed.store(writer.committed(), Ordering::Release);
    call.clear(&mut outgoing);
    if ended || (call.has_ended() && call.drain_is_empty()) {
        call.sealed.store(true, Ordering::Release);
    }
    Ok(())
}

/// Makes the journal under a number that no stream of the call ever had.
fn create(dir: &RecordingsDir, call: &LiveCall) -> Result<JournalWriter, StoreError> {
    let header = call.header.to_bytes();
    loop {
        let journal = dir.create_journal(&call.id, highest_number(dir, &call.id)? + 1, &header)?;
        // Another stream of this call may have written its summary and left its number in between.
        match highest_number(dir, &call.id) {
            Ok(highest) if highest < journal.number() => return Ok(journal),
            Ok(_) => journal.remove()?,
            Err(error) => {
                journal.remove()?;
                return Err(error);
            }
        }
    }
}

/// The highest number of a stream that the call's summary knows. One that cannot be read now may know of any.
fn highest_number(dir: &RecordingsDir, call: &CallId) -> Result<u32, StoreError> {
    let files = match CallFiles::try_read(dir, call) {
        Err(error @ StoreError::Io { .. }) => return Err(error),
        // What is no summary of ours never will be.
        read => read.ok().flatten(),
    };
    let streams = files.map(|files| files.details.streams).unwrap_or_default();
    Ok(streams.iter().map(|stream| stream.number).max().unwrap_or(0))
}

/// The disk refused to the last: what could not be written is lost, and said to be.
fn give_up(shared: &Shared, call: &Arc<LiveCall>, error: &StoreError) {
    let has_journal = lock(&call.journal).is_some();
    if has_journal {
        // The rest of the call is lost; what the journal has is taken, as after a crash.
        tracing::error!(call = %call.id, %error, "the end of the call could not be journalled and is lost");
        call.seal_short();
        return;
    }
    let reason = format!("nothing of it could be written: {error}");
    let ended = call.refused().1.map(tracing::field::display);
    tracing::error!(call = %call.id, %error, ended, "the call could not be recorded at all");
    call.sealed.store(true, Ordering::Release);
    // Who waits for the outcome finds the call gone from the live ones.
    shared.forget(call);
    call.settle(Err(RecordError::NotFinished { call: call.id.to_string(), reason }));
}

/// Brings to the disk, once a second, what was written.
pub(crate) fn sync_journals(shared: &Shared) {
    let (mut syncing, mut wait) = (Syncing::default(), SYNC_EVERY);
    while !shared.wait_for_stop(wait) {
        wait = syncing.turn(shared);
    }
}

/// What was written when the last sync began.
#[derive(Default)]
pub(crate) struct Syncing {
    synced: HashMap<usize, u64>,
}

impl Syncing {
    /// Syncs, if anything was written since the last time; tells how long to wait for the next turn.
    pub(crate) fn turn(&mut self, shared: &Shared) -> Duration {
        let committed: HashMap<usize, u64> =
            shared.live_calls().iter().map(|call| (Arc::as_ptr(call) as usize, call.committed())).collect();
        if committed == self.synced {
            shared.set_synced(Ok(()));
            return SYNC_EVERY;
        }
        let began = Stopwatch::start();
        shared.begin_sync();
        let result = if shared.dir.syncs_all() { shared.dir.sync() } else { sync_each(shared) };
        if let Err(error) = &result {
            tracing::error!(%error, "the journals could not be synced; a power loss now may lose more than two seconds");
        }
        shared.set_synced(result.map_err(|error| error.to_string()));
        self.synced = committed;
        SYNC_EVERY.saturating_sub(began.elapsed())
    }
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
