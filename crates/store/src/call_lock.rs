//! One at a time: who may read, change and rewrite a call's transcript and summary.

use std::io;

use crate::disk::File;
use crate::error::StoreError;
use crate::{CallId, RecordingsDir, open};

/// Calls share this many lock files, so that a million calls leave 64 files and none has to be removed, which could
/// not be done without a race.
const STRIPES: u32 = 64;

/// The right to change a call's texts, until it is dropped or the process dies.
///
/// Take one at a time: two calls may share a lock, so whoever waits for a second while holding a first may wait for
/// itself.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct CallLock {
    _file: File,
}

impl RecordingsDir {
    /// Waits until nobody else, in this process or another, changes this call's texts.
    ///
    /// # Errors
    /// The lock file cannot be made, or the file system knows no locks.
    pub fn lock_call(&self, call: &CallId) -> Result<CallLock, StoreError> {
        // Every process, whatever its build, must come to the same stripe: hence a checksum that is a standard.
        let stripe = crc32fast::hash(call.as_str().as_bytes()) % STRIPES;
        let path = self.own_journals()?.join(format!("calls-{stripe:02}.lock"));
        let file = open::lock_file(self.disk(), &path)?;
        loop {
            match file.lock() {
                Ok(()) => return Ok(CallLock { _file: file }),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(StoreError::new("lock", &path, cause)),
            }
        }
    }
}
