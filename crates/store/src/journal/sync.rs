//! How a journal is brought to the disk, and brought there again where a failed sync may have forgotten some of it.

use std::path::Path;

use crate::disk::File;
use crate::error::{At, StoreError};
use crate::{JournalWriter, open};

/// How much is written again at a time, in bytes.
const AGAIN: usize = 64 * 1024;

impl JournalWriter {
    /// Brings this journal to the disk, its name too. Only needed where [`RecordingsDir::sync`](crate::RecordingsDir::sync) does not
    /// cover it.
    ///
    /// # Errors
    /// The disk refused: do not trust what was written, even if a later sync succeeds.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if let Err(cause) = self.file.sync_data() {
            self.is_doubted = true;
            return Err(StoreError::new("sync", &self.path, cause));
        }
        if !self.named {
            open::sync_directory(self.dir.disk(), self.dir.own_journals()?)?;
            self.named = true;
        }
        Ok(())
    }

    /// The same with what a failed sync may have forgotten: if one failed since the journal was made, of this file or of everything,
    /// or does so now, all of it is written again before it is synced. For a journal that nothing is appended to any more.
    ///
    /// # Errors
    /// The disk refused: what was forgotten may still be. This may be tried again.
    pub fn sync_whole(&mut self) -> Result<(), StoreError> {
        if !self.is_doubted && self.sync().is_ok() && self.failed_syncs == self.dir.failed_syncs() {
            return Ok(());
        }
        let failed_syncs = self.dir.failed_syncs();
        let written = self.write_again(0);
        // What could not be written again in all is synced all the same.
        self.sync()?;
        written?;
        self.dir.check_syncs(failed_syncs, "sync", &self.path)?;
        (self.failed_syncs, self.is_doubted) = (failed_syncs, false);
        Ok(())
    }

    /// Writes again what is there from this offset on, header included: a failed sync of the file may have forgotten that it was to be
    /// written, and the next does not bring it to the disk.
    ///
    /// # Errors
    /// The disk refused. What is there is as it was.
    pub fn write_again(&mut self, from: u64) -> Result<(), StoreError> {
        write_again(&self.file, &self.path, from, self.committed)
    }
}

/// Writes again what a file has from one offset to another, or to its end.
pub(crate) fn write_again(file: &File, path: &Path, from: u64, to: u64) -> Result<(), StoreError> {
    let (mut at, mut piece) = (from, vec![0; AGAIN]);
    while at < to {
        let len = (to - at).min(AGAIN as u64) as usize;
        let read = open::read_at(file, &mut piece[..len], at).at("read", path)?;
        if read == 0 {
            break;
        }
        open::write_at(file, &piece[..read], at).at("write", path)?;
        at += read as u64;
    }
    Ok(())
}
