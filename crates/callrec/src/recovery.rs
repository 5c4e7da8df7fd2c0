//! Recordings that an earlier process left in their journals are finished: one at a time, and behind everything that live
//! calls need.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use callrec_session::Completeness;
use callrec_store::{CallId, FreeJournal, HeaderDamage, LockedJournal, StoreError, path_for_log};

use crate::again::try_again;
use crate::clock::{self, Stopwatch};
use crate::finish::{
    FinishError, UNEXPECTED, complete_texts, note_not_saved, read_summary, tell_of_damage, write_texts,
};
use crate::for_a_person::{leave_for_a_person, ok_or_tell, tell_what_is_left};
use crate::header::{Header, THIS_VERSION};
use crate::shared::Shared;
use crate::source::{Source, is_synced};
use crate::status::CallFiles;
use crate::take::{Subject, TakeError};
use crate::unjournalled::{tell_of_all, tell_when_due};
use crate::workers::{MOST_FAILURES, conclude, take_whole, words_of};

/// What a recovery did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Recovery {
    /// Recordings that were finished.
    pub finished: usize,
    /// Journals that could not be finished; they are kept, unreadable ones under the name `*.bad`.
    pub failed: usize,
    /// Journals that belong to a living process, this one or another.
    pub owned: usize,
}

/// What became of one journal.
enum Found {
    Finished,
    Failed,
    Owned,
    Left,
}

/// What is done with the files of a call that was recovered.
type Told = dyn Fn(&CallFiles) + Send + Sync;

/// Who is told of each call that was recovered, if anybody.
#[derive(Clone, Default)]
pub(crate) struct WhenRecovered(Option<Arc<Told>>);

impl WhenRecovered {
    pub(crate) fn new(told: impl Fn(&CallFiles) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    fn tell(&self, shared: &Shared, call: &CallId) {
        let Some(told) = &self.0 else { return };
        let Some(files) = CallFiles::read(&shared.dir, call) else { return };
        // Others are to be recovered all the same.
        if catch_unwind(AssertUnwindSafe(|| told(&files))).is_err() {
            tracing::error!(call = call.for_log(), "who was told of a recovered call failed unexpectedly");
        }
    }
}

impl fmt::Debug for WhenRecovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WhenRecovered").field(&self.0.is_some()).finish()
    }
}

/// How long a slice of recovery stands back for live calls that wait for a worker. It is never starved altogether: on a machine
/// that is always busy it gets on by twenty seconds of a call in this time.
const STANDS_BACK: Duration = Duration::from_secs(1);
/// How often it looks whether they still wait.
const LOOKS_EVERY: Duration = Duration::from_millis(5);

/// The same on a thread of its own, which has the least priority that there is; and again as long as something is left that the disk
/// had no room for.
pub(crate) fn recover_in_background(shared: &Shared) {
    // On Linux this is the thread's alone. Where it cannot be had, standing back is all.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 19);
    recover_or_tell(shared);
    try_again(shared);
}

/// Recovers what has not ended the process too often; if that is not possible at all, it is tried again.
pub(crate) fn recover_or_tell(shared: &Shared) -> Recovery {
    let recovery = catch_unwind(AssertUnwindSafe(|| recover_up_to(shared, MOST_FAILURES)));
    let error = match recovery {
        Ok(Ok(recovery)) => return recovery,
        Ok(Err(error)) => error.to_string(),
        Err(_) => UNEXPECTED.to_owned(),
    };
    shared.left.note();
    tracing::error!(error, "recovery failed; it is tried again");
    Recovery::default()
}

/// Waits as long as live calls wait for a worker, within reason; tells whether there is to be more work at all. Calls that have no
/// journal are told of meanwhile.
pub(crate) fn stand_back(shared: &Shared) -> bool {
    tell_when_due(shared);
    let clock = Stopwatch::start();
    while shared.takes_waiting() > 0 && !shared.is_stopping() && clock.elapsed() < STANDS_BACK {
        clock::pause(LOOKS_EVERY);
    }
    !shared.is_stopping()
}

/// Finishes every journal whose owner is gone, one after another, and tells of calls that have none.
pub(crate) fn recover(shared: &Shared) -> Result<Recovery, StoreError> {
    recover_up_to(shared, u32::MAX)
}

/// The same for journals with which the process has ended fewer times.
fn recover_up_to(shared: &Shared, most: u32) -> Result<Recovery, StoreError> {
    shared.left.begin_again();
    shared.recovering.store(true, Ordering::Release);
    let _recovering = Recovering(shared);
    let recovered = recover_all(shared, most);
    tell_of_all(shared, || !shared.is_stopping());
    recovered
}

/// As long as this is there, a recovery is under way.
struct Recovering<'a>(&'a Shared);

impl Drop for Recovering<'_> {
    fn drop(&mut self) {
        self.0.recovering.store(false, Ordering::Release);
    }
}

fn recover_all(shared: &Shared, most: u32) -> Result<Recovery, StoreError> {
    for error in shared.dir.clean_up()?.refused {
        tracing::warn!(%error, "a file that nobody needs any more could not be removed");
    }
    complete_marked(shared)?;
    let mut recovery = Recovery::default();
    let journals = shared.dir.free_journals()?;
    let mut before = Before::new(&shared.recoveries_waiting, journals.len());
    for (before_it, journal) in journals.into_iter().enumerate() {
        // Of many that are short, none might stand back in its middle.
        if shared.is_stopping() || (before_it > 0 && !stand_back(shared)) {
            break;
        }
        let (call, number) = (journal.call().clone(), journal.number());
        let found =
            catch_unwind(AssertUnwindSafe(|| recover_one(shared, journal, most))).unwrap_or_else(|_| {
                tracing::error!(
                    call = call.for_log(),
                    number,
                    "a recording could not be recovered: {UNEXPECTED}"
                );
                shared.left.note();
                Ok(Found::Failed)
            });
        if matches!(found, Ok(Found::Finished | Found::Failed)) {
            shared.when_recovered.tell(shared, &call);
        }
        if !matches!(found, Ok(Found::Owned | Found::Left | Found::Finished)) {
            shared.left.note_tried(&call, number);
        }
        match found {
            Ok(Found::Finished) => recovery.finished += 1,
            Ok(Found::Failed) => recovery.failed += 1,
            Ok(Found::Owned) => recovery.owned += 1,
            Ok(Found::Left) => break,
            Err(error) => {
                tracing::error!(call = call.for_log(), number, %error, "a journal could not be recovered");
                shared.left.note();
                recovery.failed += 1;
            }
        }
        before.one_less();
    }
    if recovery != Recovery::default() {
        let Recovery { finished, failed, owned } = recovery;
        tracing::info!(finished, failed, owned, "journals that were left were looked through");
    }
    Ok(recovery)
}

/// Writes the texts of calls anew that a crash left half written, as the JSON has them.
fn complete_marked(shared: &Shared) -> Result<(), StoreError> {
    let complete = |call: &CallId| -> Result<(), FinishError> {
        let _lock = shared.dir.lock_call(call)?;
        if let Some(summary) = read_summary(&shared.dir, call)? {
            write_texts(&shared.dir, call, &summary)?;
        }
        Ok(shared.dir.unmark_texts(call)?)
    };
    for call in shared.dir.marked_texts()? {
        // Others, and the journals, are to be recovered all the same.
        let completed = catch_unwind(AssertUnwindSafe(|| complete(&call)));
        if let Err(error) = completed.unwrap_or(Err(FinishError::Unexpected)) {
            tracing::warn!(call = call.for_log(), %error, "the texts of a call could not be completed");
            // A summary of a later version is left to whoever knows that.
            if !matches!(error, FinishError::Newer(_)) {
                shared.left.note();
            }
        }
    }
    Ok(())
}

/// What a recovery has before it, as it shows in the recorder's health.
struct Before<'a> {
    shown: &'a AtomicUsize,
    left: usize,
}

impl<'a> Before<'a> {
    fn new(shown: &'a AtomicUsize, left: usize) -> Self {
        shown.fetch_add(left, Ordering::AcqRel);
        Self { shown, left }
    }

    fn one_less(&mut self) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.shown.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Before<'_> {
    fn drop(&mut self) {
        self.shown.fetch_sub(self.left, Ordering::AcqRel);
    }
}

fn recover_one(shared: &Shared, journal: FreeJournal, most: u32) -> Result<Found, StoreError> {
    let Some(journal) = journal.lock()? else { return Ok(Found::Owned) };
    let header = match journal.header() {
        Ok(bytes) => Header::from_bytes(bytes).map_err(|error| error.to_string()),
        Err(damage @ HeaderDamage::Version(_)) => {
            tracing::error!(call = journal.call().for_log(), %damage, "a journal is left as it is");
            return Ok(Found::Failed);
        }
        Err(damage) => Err(damage.to_string()),
    };
    match header {
        Ok(header) => Ok(finish_journal(shared, journal, header, most)),
        Err(error) => {
            let call = journal.call().clone();
            let aside = journal.set_aside()?;
            tracing::error!(call = call.for_log(), error, aside = %path_for_log(&aside), "an unreadable journal was set aside");
            Ok(Found::Failed)
        }
    }
}

fn finish_journal(shared: &Shared, journal: LockedJournal, header: Header, most: u32) -> Found {
    let subject = Subject {
        dir: shared.dir.clone(),
        call: journal.call().clone(),
        number: journal.number(),
        header,
        memory: Arc::clone(&shared.memory),
        // What is kept is for live calls.
        ahead_s: 0,
    };
    let unended = ok_or_tell(&subject.call, journal.unended_attempts(THIS_VERSION)).unwrap_or(0);
    if unended > most {
        // Telling of it ended the process too.
        leave_for_a_person(shared, &subject);
        return Found::Failed;
    }
    let attempt = ok_or_tell(&subject.call, journal.begin_attempt(THIS_VERSION));
    match complete_texts(&subject) {
        Ok(Some(known)) => {
            drop(attempt);
            return forget(shared, &subject, journal, &known);
        }
        Ok(None) => {}
        Err(error) => {
            tracing::warn!(call = subject.call.for_log(), %error, "the texts could not be completed");
        }
    }
    if unended == most {
        leave_for_a_person(shared, &subject);
        let is_to_be_tried = tell_what_is_left(shared, &subject, &journal, attempt);
        drop(journal);
        if is_to_be_tried {
            shared.left.note();
        }
        return Found::Failed;
    }
    let mut taken = match take_whole(shared, &subject, unended, || journal.reader(), || stand_back(shared)) {
        Ok(taken) => {
            if let Some(attempt) = attempt {
                attempt.over();
            }
            taken
        }
        Err(error @ TakeError::Stopped) => {
            tracing::info!(call = subject.call.for_log(), %error, "a recording is left to the next start");
            return Found::Left;
        }
        Err(error) => {
            tracing::error!(call = subject.call.for_log(), %error, "a recording could not be recovered; its journal is kept");
            // It ended no process, and says nothing of what did.
            drop(attempt);
            // What is told now is that it is there. It is written again each time that this is so, about 1 MB for a minute of the call:
            // the pauses in between grow to an hour.
            let is_safe = is_synced(&subject.call, journal.sync_whole());
            if let Some(mut words) = words_of(&subject, journal.reader()) {
                shared.untold.tell(&subject, &mut words);
                note_not_saved(&subject, words, true, &error);
            }
            shared.left.leave(journal, &error, is_safe);
            return Found::Failed;
        }
    };
    shared.counters.note_recording(&taken.completeness, 0);
    shared.untold.tell(&subject, &mut taken);
    match conclude(shared, &subject, taken, Source::Recovered(journal)) {
        Ok(_) => {
            shared.untold.forget(&subject);
            tracing::info!(
                call = subject.call.for_log(),
                number = subject.number,
                "a recording was recovered"
            );
            Found::Finished
        }
        Err(error) => {
            tracing::error!(call = subject.call.for_log(), %error, "a recording could not be recovered; its journal is kept");
            Found::Failed
        }
    }
}

/// The recording and the texts are there: the process was killed before its journal was gone, or a power loss brought that back,
/// perhaps without all it had.
fn forget(shared: &Shared, subject: &Subject, journal: LockedJournal, known: &Completeness) -> Found {
    let was_read_in_part = known.torn_bytes > 0 || known.damaged_bytes > 0;
    let gone = match was_read_in_part && is_damaged(&journal) {
        true => journal.set_aside().map(|aside| tell_of_damage(subject, &aside)),
        false => journal.remove(),
    };
    match gone {
        Ok(()) => {
            shared.untold.forget(subject);
            Found::Finished
        }
        Err(error) => {
            tracing::error!(call = subject.call.for_log(), %error, "a journal that is not needed any more could not be removed");
            shared.left.note();
            Found::Failed
        }
    }
}

/// Whether a journal has more than can be read of it. If that is not known, it is kept.
fn is_damaged(journal: &LockedJournal) -> bool {
    let read = || -> Result<bool, StoreError> {
        let mut reader = journal.reader()?;
        while reader.next(u64::MAX)?.is_some() {}
        Ok(reader.is_damaged())
    };
    read().unwrap_or(true)
}

#[cfg(test)]
mod tests;
