//! Recordings that an earlier process left in their journals are finished.

use std::sync::atomic::Ordering;

use callrec_store::{FreeJournal, HeaderDamage, LockedJournal, StoreError};

use crate::finish::{Source, complete_texts};
use crate::header::Header;
use crate::shared::Shared;
use crate::take::Subject;
use crate::workers::{conclude, note_words, take_whole};

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
}

/// Finishes every journal whose owner is gone, one after another.
pub(crate) fn recover(shared: &Shared) -> Result<Recovery, StoreError> {
    shared.recovering.store(true, Ordering::Release);
    let recovered = recover_all(shared);
    shared.recovering.store(false, Ordering::Release);
    recovered
}

fn recover_all(shared: &Shared) -> Result<Recovery, StoreError> {
    shared.dir.clean_up()?;
    let mut recovery = Recovery::default();
    for journal in shared.dir.free_journals()? {
        if shared.is_stopping() {
            break;
        }
        let (call, number) = (journal.call().clone(), journal.number());
        match recover_one(shared, journal) {
            Ok(Found::Finished) => recovery.finished += 1,
            Ok(Found::Failed) => recovery.failed += 1,
            Ok(Found::Owned) => recovery.owned += 1,
            Err(error) => {
                tracing::error!(%call, number, %error, "a journal could not be recovered");
                recovery.failed += 1;
            }
        }
    }
    if recovery != Recovery::default() {
        let Recovery { finished, failed, owned } = recovery;
        tracing::info!(finished, failed, owned, "journals of an earlier process were looked through");
    }
    Ok(recovery)
}

fn recover_one(shared: &Shared, journal: FreeJournal) -> Result<Found, StoreError> {
    let Some(journal) = journal.lock()? else { return Ok(Found::Owned) };
    let header = match journal.header() {
        Ok(bytes) => Header::from_bytes(bytes).map_err(|error| error.to_string()),
        Err(damage @ HeaderDamage::Version(_)) => {
            tracing::error!(call = %journal.call(), %damage, "a journal is left as it is");
            return Ok(Found::Failed);
        }
        Err(damage) => Err(damage.to_string()),
    };
    match header {
        Ok(header) => Ok(finish_journal(shared, journal, header)),
        Err(error) => {
            let call = journal.call().clone();
            let aside = journal.set_aside()?;
            tracing::error!(%call, error, aside = %aside.display(), "an unreadable journal was set aside");
            Ok(Found::Failed)
        }
    }
}

fn finish_journal(shared: &Shared, journal: LockedJournal, header: Header) -> Found {
    let subject =
        Subject { dir: shared.dir.clone(), call: journal.call().clone(), number: journal.number(), header };
    match complete_texts(&subject) {
        Ok(true) => return forget(&subject, journal),
        Ok(false) => {}
        Err(error) => tracing::warn!(call = %subject.call, %error, "the texts could not be completed"),
    }
    let taken = match take_whole(&subject, || journal.reader()) {
        Ok(taken) => taken,
        Err(error) => {
            tracing::error!(call = %subject.call, %error, "a recording could not be recovered; its journal is kept");
            // What is told now is that it is there.
            if let Err(error) = journal.sync() {
                tracing::error!(call = %subject.call, %error, "the journal could not be synced");
            }
            note_words(&subject, journal.reader(), true, &error);
            return Found::Failed;
        }
    };
    match conclude(&subject, taken, Source::Recovered(journal)) {
        Ok(_) => {
            tracing::info!(call = %subject.call, number = subject.number, "a recording was recovered");
            Found::Finished
        }
        Err(error) => {
            tracing::error!(call = %subject.call, %error, "a recording could not be recovered; its journal is kept");
            Found::Failed
        }
    }
}

/// The recording and the texts are there: a power loss brought the journal back, perhaps without all it had.
fn forget(subject: &Subject, journal: LockedJournal) -> Found {
    match journal.remove() {
        Ok(()) => Found::Finished,
        Err(error) => {
            tracing::error!(call = %subject.call, %error, "a journal that is not needed any more could not be removed");
            Found::Failed
        }
    }
}
