//! Marks of calls whose texts are being written and of which no journal tells that: whoever recovers finds them, and completes the texts.

use std::io;

use crate::error::At as _;
use crate::{CallId, RecordingsDir, StoreError, names, open};

impl RecordingsDir {
    /// Marks that the texts of a call, whose [lock](Self::lock_call) is held, are about to be written. The mark is safe when this returns.
    ///
    /// # Errors
    /// The disk refused.
    pub fn mark_texts(&self, call: &CallId) -> Result<(), StoreError> {
        let directory = self.own_journals()?;
        open::lock_file(self.disk(), &directory.join(names::texts_mark(call)))?;
        open::sync_directory(self.disk(), directory)
    }

    /// Removes the mark, if it is there: the texts are written. A power loss may bring it back.
    ///
    /// # Errors
    /// The disk refused.
    pub fn unmark_texts(&self, call: &CallId) -> Result<(), StoreError> {
        let path = self.own_journals()?.join(names::texts_mark(call));
        match self.disk().remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.at("remove", &path),
        }
    }

    /// The calls that are marked.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn marked_texts(&self) -> Result<Vec<CallId>, StoreError> {
        let mut calls: Vec<_> =
            self.list_journals()?.iter().filter_map(|name| names::parse_texts_mark(name)).collect();
        calls.sort();
        Ok(calls)
    }
}
