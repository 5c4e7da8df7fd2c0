//! The thread that writes every live call's journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use callrec_store::{CallId, JournalWriter, RecordingsDir, StoreError};
use callrec_summary::highest_stream;

use crate::clock::Stopwatch;
use crate::finish::file_name;
use crate::live::{LiveCall, lock};
use crate::shared::{Shared, Wanted};

/// How often the journals are written: what a killed process loses at most, with room to spare. A write costs the more for being
/// small: ten a second of each call took a sixth of all that a message costs.
pub(crate) const EVERY: Duration = Duration::from_millis(250);
/// How often the takes of live calls are brought up to date, in turns of [`EVERY`].
const TAKES_EVERY: u32 = 4;
/// How often a disk that refuses is tried again, in turns.
const RETRY_EVERY: u32 = 4;
/// How often it is tried for a call that has ended, before the call is given up.
const LAST_TRIES: u32 = 5;
/// How often a directory that refused is tried when nothing waits for it any more, in turns.
pub(crate) const PROBE_EVERY: u32 = 8;

/// Writes until the recorder is gone and every call is sealed.
pub(crate) fn write_journals(shared: &Shared) {
    let mut journalling = Journalling::default();
    loop {
        let turn = Stopwatch::start();
        // What came while the disk held up the turn before is written too.
        let is_last = shared.is_stopping() && shared.is_abandoned();
        shared.journal_turn_begins();
        let idle = if is_last { journalling.last_turn(shared) } else { journalling.turn(shared) };
        shared.journal_turn_done();
        if shared.is_stopping() && (idle || is_last) {
            return;
        }
        loop {
            let left = EVERY.saturating_sub(turn.elapsed());
            // However much is urgent, the turn comes.
            if shared.wait_for_turn(left) == Wanted::All || left.is_zero() {
                break;
            }
            journalling.write_urgent(shared);
        }
    }
}

/// What is remembered from one turn to the next.
#[derive(Default)]
pub(crate) struct Journalling {
    refusals: HashMap<u64, u32>,
    turn: u32,
    /// What one call's events are in while they are written: it is lent to each in turn, that no call has to hold two.
    spare: Vec<u8>,
}

impl Journalling {
    /// Writes once what waits; tells whether there was no call.
    pub(crate) fn turn(&mut self, shared: &Shared) -> bool {
        let calls = shared.live_calls();
        self.turn = self.turn.wrapping_add(1);
        let mut refused = None;
        for call in calls.iter().filter(|call| !call.sealed.load(Ordering::Acquire)) {
            if self.tries(call) > 0 && !self.turn.is_multiple_of(RETRY_EVERY) {
                continue;
            }
            refused = self.write(shared, call).err().or(refused);
            if self.turn.is_multiple_of(TAKES_EVERY) && call.committed() > 0 {
                shared.schedule(call);
            }
        }
        if refused.is_some() {
            *lock(&shared.journal_error) = refused;
        } else if self.refusals.is_empty()
            && self.turn.is_multiple_of(PROBE_EVERY)
            && shared.has_journal_error()
        {
            // Nothing waits that could tell whether the disk is well again: the calls were written, or given up.
            let refused = shared.dir.probe().err().map(|error| error.to_string());
            if refused.is_none() {
                tracing::info!("the disk takes recordings again");
            }
            *lock(&shared.journal_error) = refused;
        }
        calls.is_empty()
    }

    /// The same for calls too that the disk refused: there is no later.
    fn last_turn(&mut self, shared: &Shared) -> bool {
        self.refusals.clear();
        // Of such a call, what was refused goes first, and what came since behind it.
        self.turn(shared);
        self.turn(shared)
    }

    /// Writes what cannot wait for the turn, in between: calls that begin, end, or have much to write. Those that the disk refuses wait for it.
    pub(crate) fn write_urgent(&mut self, shared: &Shared) {
        for call in shared.live_calls() {
            let is_urgent = call.urgent.swap(false, Ordering::AcqRel) && !call.sealed.load(Ordering::Acquire);
            if is_urgent
                && self.tries(&call) == 0
                && let Err(refused) = self.write(shared, &call)
            {
                *lock(&shared.journal_error) = Some(refused);
            }
        }
    }

    /// How often the disk refused what waits of a call.
    fn tries(&self, call: &Arc<LiveCall>) -> u32 {
        self.refusals.get(&call.serial).copied().unwrap_or(0)
    }

    /// Writes what waits of a call, and has it completed if that is its end.
    fn write(&mut self, shared: &Shared, call: &Arc<LiveCall>) -> Result<(), String> {
        call.urgent.store(false, Ordering::Release);
        let written = write(&shared.dir, call, &mut self.spare).map_err(|error| {
            if self.tries(call) == 0 {
                tracing::error!(call = call.id.for_log(), %error, "the journal cannot be written; trying again");
            }
            let ended_for = self.refusals.entry(call.serial).or_insert(0);
            *ended_for = if call.has_ended() { *ended_for + 1 } else { 1 };
            if *ended_for > LAST_TRIES {
                give_up(call, &error);
            }
            error.to_string()
        });
        let is_sealed = call.sealed.load(Ordering::Acquire);
        if written.is_ok() || is_sealed {
            self.refusals.remove(&call.serial);
        }
        if is_sealed {
            shared.schedule(call);
        }
        written
    }
}

/// Brings what waits into the call's journal, which is made if it is not there yet.
fn write(dir: &RecordingsDir, call: &LiveCall, spare: &mut Vec<u8>) -> Result<(), StoreError> {
    let mut outgoing = lock(&call.outgoing);
    outgoing.swap_memory(spare);
    let ended = if outgoing.is_empty() { call.drain(&mut outgoing) } else { false };
    if outgoing.is_empty() {
        outgoing.swap_memory(spare);
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
    outgoing.swap_memory(spare);
    if ended || (call.has_ended() && call.drain_is_empty()) {
        call.sealed.store(true, Ordering::Release);
    }
    Ok(())
}

/// Makes the journal under a number that no stream of the call ever had.
fn create(dir: &RecordingsDir, call: &LiveCall) -> Result<JournalWriter, StoreError> {
    let header = call.header.to_bytes();
    loop {
        let min_number = highest_number(dir, &call.id)?.checked_add(1);
        let min_number =
            min_number.ok_or_else(|| StoreError::NoNumberFree { path: dir.summary_json_path(&call.id) })?;
        let journal = dir.create_journal(&call.id, min_number, call.key(), &header)?;
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

/// The highest number of a stream that the call's summary knows. One that cannot be read now may know of any. Nothing else is made of
/// it here: every live call's journal waits meanwhile, and it may be as large as the texts of many streams.
fn highest_number(dir: &RecordingsDir, call: &CallId) -> Result<u32, StoreError> {
    let summary = match dir.read_file(&file_name(&dir.summary_json_path(call))) {
        Err(error @ StoreError::Io { .. }) => return Err(error),
        // What is no summary of ours never will be.
        read => read.ok().flatten(),
    };
    Ok(summary.and_then(|json| highest_stream(&json)).unwrap_or(0))
}

/// The disk refused to the last: what could not be written is lost, and said to be.
fn give_up(call: &LiveCall, error: &StoreError) {
    let has_journal = lock(&call.journal).is_some();
    if has_journal {
        // The rest of the call is lost; what the journal has is taken, as after a crash.
        tracing::error!(call = call.id.for_log(), %error, "the end of the call could not be journalled and is lost");
        call.seal_short();
        return;
    }
    let reason = format!("nothing of it could be written: {error}");
    let ended = tracing::field::display(call.nothing_taken().ended);
    tracing::error!(call = call.id.for_log(), %error, ended, "the call could not be recorded at all");
    call.seal_unjournalled(reason);
}

#[cfg(test)]
mod tests;
