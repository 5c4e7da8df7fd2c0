//! A recording while it is written, and the one step that makes it a recording.

use std::fmt;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use crate::disk::File;
use crate::error::{At, PublishError, StoreError};
use crate::{CallId, RecordingsDir, names, open};

/// An audio file that is not finished. It lies in `.journal`, under a name that no recording has, locked.
///
/// Dropping it removes the file; after a crash, [`clean_up`](RecordingsDir::clean_up) does.
#[derive(Debug)]
pub struct Partial {
    file: File,
    path: PathBuf,
    dir: RecordingsDir,
    call: CallId,
    number: u32,
    extension: String,
    len: u64,
    /// How many syncs of everything had failed before it was made.
    failed_syncs: u64,
    /// Everything written is on the disk.
    synced: bool,
    gone: bool,
}

impl RecordingsDir {
    /// Begins the recording of a stream. `extension` is one of [`EXTENSIONS`](crate::EXTENSIONS).
    ///
    /// # Errors
    /// The directory cannot be written to, or the extension is none of a recording.
    pub fn create_partial(&self, call: &CallId, number: u32, extension: &str) -> Result<Partial, StoreError> {
        names::check_extension(extension)?;
        let failed_syncs = self.failed_syncs();
        let name = |unique| names::partial(call, number, extension, unique);
        let (file, path) = open::locked_temporary(self.disk(), self.own_journals()?, name)?;
        if let Err(error) = self.share(&file, &path) {
            let _ = self.disk().remove(&path);
            return Err(error);
        }
        let (call, extension) = (call.clone(), extension.to_owned());
        Ok(Partial {
            file,
            path,
            dir: self.clone(),
            call,
            number,
            extension,
            len: 0,
            failed_syncs,
            synced: false,
            gone: false,
        })
    }
}

impl Partial {
    /// Appends.
    ///
    /// # Errors
    /// The disk refused. The length is unchanged: the same bytes may be tried again.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.synced = false;
        open::write_at(&self.file, bytes, self.len).at("write", &self.path)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Overwrites bytes that were written before, for a header whose length is known only now.
    ///
    /// # Errors
    /// The disk refused, or the bytes would reach beyond what was written.
    pub fn patch(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.len {
            return Err(StoreError::TooLarge { path: self.path.clone(), bytes: end, limit: self.len });
        }
        self.synced = false;
        open::write_at(&self.file, bytes, offset).at("write", &self.path)
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The file as it is called while it is partial.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Brings what was written to the disk.
    ///
    /// # Errors
    /// The disk refused, now or in a [sync of everything](RecordingsDir::sync) since the file was made: discard it and take the
    /// recording again, even if a later sync succeeds.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        // A write that failed half-way may have left bytes behind the last whole one.
        if self.file.len().at("look at", &self.path)? != self.len {
            self.file.set_len(self.len).at("cut", &self.path)?;
        }
        self.dir.sync_new(&self.file, self.failed_syncs, "sync", &self.path)?;
        self.synced = true;
        Ok(())
    }

    /// A second handle, at the file's beginning, to read back what was written.
    ///
    /// # Errors
    /// The system refused.
    pub fn reopen(&self) -> Result<impl Read + Seek + fmt::Debug + Send + Sync + use<>, StoreError> {
        #[cfg(unix)]
        {
            let missing = || StoreError::new("open", &self.path, io::ErrorKind::NotFound.into());
            open::read(self.dir.disk(), &self.path)?.ok_or_else(missing)
        }
        // On Windows the lock would keep a handle of its own from reading.
        #[cfg(not(unix))]
        {
            self.file.at_beginning().at("open", &self.path)
        }
    }

    /// Makes it the recording: syncs the file unless that is done, gives it its final name without replacing anything, syncs the
    /// directory. Returns the path, which begins with the directory as it was given.
    ///
    /// On Linux the name is given by `renameat2` with `RENAME_NOREPLACE`, in one step. Where kernel or file system lack that,
    /// and on other systems, by a hard link, which no system lets replace a file, and the removal of the first name; a crash
    /// between the two leaves both names on the same whole file, and [clean-up](RecordingsDir::clean_up) removes the first.
    ///
    /// # Errors
    /// See [`PublishError`]; unless the recording is in its place, this file is handed back.
    pub fn publish(mut self) -> Result<PathBuf, PublishError> {
        let synced = if self.synced { Ok(()) } else { self.sync() };
        let taken = match synced.and_then(|()| self.dir.recording_of(&self.call, self.number)) {
            Ok(taken) => taken,
            Err(error) => return Err(PublishError::Failed { error, partial: Box::new(self) }),
        };
        if let Some(path) = taken {
            return Err(PublishError::AlreadyExists { path, partial: Box::new(self) });
        }
        let path = self.dir.recording_path(&self.call, self.number, &self.extension);
        match self.dir.renaming().rename(self.dir.disk(), &self.path, &path) {
            Ok(()) => self.gone = true,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(PublishError::AlreadyExists { path, partial: Box::new(self) });
            }
            Err(cause) => {
                let error = StoreError::new("publish", &path, cause);
                return Err(PublishError::Failed { error, partial: Box::new(self) });
            }
        }
        match open::sync_directory(self.dir.disk(), self.dir.path()) {
            Ok(()) => Ok(path),
            Err(error) => Err(PublishError::NotSynced { path, error }),
        }
    }

    /// Removes the file.
    ///
    /// # Errors
    /// The system refused; clean-up will try again.
    pub fn discard(mut self) -> Result<(), StoreError> {
        self.gone = true;
        self.dir.disk().remove(&self.path).at("remove", &self.path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.gone {
            // If this fails, clean-up finds the file: nobody holds its lock any more.
            let _ = self.dir.disk().remove(&self.path);
        }
    }
}
