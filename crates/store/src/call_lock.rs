//! One at a time: who may read, change and rewrite a call's transcript and summary.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use crate::disk::File;
use crate::error::StoreError;
use crate::{CallId, RecordingsDir, open};

/// Calls share this many lock files, so that a million calls leave 64 files and none has to be removed, which could
/// not be done without a race.
const STRIPES: u32 = 64;
/// How often it is tried again, so many times: some twenty seconds. Who has it writes three small files, and is at most one of a few that
/// wait; on a slow disk that takes seconds. A process that is stopped in the middle may have it for ever.
const TRIES: u32 = 2_000;
const TRIES_EVERY: Duration = Duration::from_millis(10);

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
    /// The lock file cannot be made, or the file system knows no locks. Somebody else had the lock for twenty seconds (the cause is
    /// [`TimedOut`](io::ErrorKind::TimedOut)).
    pub fn lock_call(&self, call: &CallId) -> Result<CallLock, StoreError> {
        self.lock_call_within(call, TRIES)
    }

    fn lock_call_within(&self, call: &CallId, tries: u32) -> Result<CallLock, StoreError> {
        // Every process, whatever its build, must come to the same stripe: hence a checksum that is a standard.
        let stripe = crc32fast::hash(call.as_str().as_bytes()) % STRIPES;
        let path = self.own_journals()?.join(format!("calls-{stripe:02}.lock"));
        let file = open::lock_file(self.disk(), &path)?;
        for _ in 0..tries {
            if open::try_lock(&file, &path)? {
                return Ok(CallLock { _file: file });
            }
            sleep(TRIES_EVERY);
        }
        let cause = io::Error::new(
            io::ErrorKind::TimedOut,
            "another callrec has held it for too long; is one stopped?",
        );
        Err(StoreError::new("lock", &path, cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_somebody_keeps_is_waited_for_and_not_for_ever() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        let call = CallId::new("CA1").unwrap();
        let kept = dir.lock_call(&call).unwrap();
        let refused = dir.lock_call_within(&call, 3).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Io { cause, .. } if cause.kind() == io::ErrorKind::TimedOut),
            "{refused}"
        );
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| dir.lock_call(&call).map(drop));
            sleep(3 * TRIES_EVERY);
            drop(kept);
            waits.join().unwrap().unwrap();
        });
    }
}
