//! The journal of a call that is finished: brought to the disk before its recording has its name, or before it is left; then removed.

use std::path::PathBuf;

use callrec_store::{CallId, JournalWriter, LockedJournal, StoreError};

use crate::finish::FinishError;

/// The journal that a recording came from.
#[derive(Debug)]
pub(crate) enum Source {
    /// Written by this process.
    Live(JournalWriter),
    /// Found by recovery.
    Recovered(LockedJournal),
}

impl Source {
    /// Before its recording is published. What was found by recovery is most often not to be written again: it goes in a moment.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Live(journal) => journal.sync_whole(),
            Self::Recovered(journal) => journal.sync().or_else(|_| journal.sync_whole()),
        }
    }

    /// Before it is told that it is left, with what a failed sync may have forgotten of it; tells whether it is safe.
    pub(crate) fn sync_whole(&mut self, call: &CallId) -> bool {
        let synced = match self {
            Self::Live(journal) => journal.sync_whole(),
            Self::Recovered(journal) => journal.sync_whole(),
        };
        is_synced(call, synced)
    }

    /// The same; it is left for this.
    pub(crate) fn leave(&mut self, call: &CallId, error: impl Into<FinishError>) -> FinishError {
        let error = error.into();
        if self.sync_whole(call) { error } else { FinishError::NotSafe(Box::new(error)) }
    }

    /// Leaves nothing in the journal that was refused, and so is not in the recording.
    pub(crate) fn cut(&mut self) -> Result<(), StoreError> {
        match self {
            Self::Live(journal) => journal.cut(),
            Self::Recovered(_) => Ok(()),
        }
    }

    pub(crate) fn remove(self) -> Result<(), StoreError> {
        match self {
            Self::Live(journal) => journal.remove(),
            Self::Recovered(journal) => journal.remove(),
        }
    }

    /// Keeps it for a person.
    pub(crate) fn set_aside(self) -> Result<PathBuf, StoreError> {
        match self {
            Self::Live(journal) => journal.set_aside(),
            Self::Recovered(journal) => journal.set_aside(),
        }
    }

    pub(crate) fn is_recovered(&self) -> bool {
        matches!(self, Self::Recovered(_))
    }
}

/// Whether a journal that is left was synced.
pub(crate) fn is_synced(call: &CallId, synced: Result<(), StoreError>) -> bool {
    let told = |error| {
        tracing::error!(call = call.for_log(), %error, "a journal that is left could not be brought to the disk as a whole; it is tried again");
    };
    synced.map_err(told).is_ok()
}
