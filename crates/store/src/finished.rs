//! The files of finished calls: written whole, read with a bound, listed, summed.

use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::disk::Kind;
use crate::error::{At, StoreError};
use crate::{CallId, RecordingsDir, names, open, recovery};

/// The longest file that [`RecordingsDir::read_file`] reads and [`RecordingsDir::write_atomic`] writes, in bytes.
pub const MAX_TEXT: u64 = 64 * 1024 * 1024;

/// A call that has a summary.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// The call.
    pub call: CallId,
    /// When its summary was last written, by the file system's clock.
    pub modified: SystemTime,
}

impl RecordingsDir {
    /// Writes a transcript or summary (`.txt` or `.json`): readers see the old file or the new one, and after a power
    /// loss one of the two is there. Returns the path.
    ///
    /// # Errors
    /// The name is not one of a text in this directory, the text is longer than [`MAX_TEXT`] and could not be read again, or
    /// the disk refused; then the old file is unchanged, unless only the last sync failed.
    pub fn write_atomic(&self, file_name: &str, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        names::check_text(file_name)?;
        let path = self.path().join(file_name);
        check_length(bytes.len(), &path)?;
        let failed_syncs = self.failed_syncs();
        let (file, temporary) = open::locked_temporary(self.disk(), self.own_journals()?, names::temporary)?;
        let written = self
            .share(&file, &temporary)
            .and_then(|()| open::write_at(&file, bytes, 0).at("write", &temporary))
            .and_then(|()| self.sync_new(&file, failed_syncs, "write", &temporary))
            .and_then(|()| self.disk().rename(&temporary, &path).at("write", &path));
        if let Err(error) = written {
            let _ = self.disk().remove(&temporary);
            return Err(error);
        }
        open::sync_directory(self.disk(), self.path())?;
        Ok(path)
    }

    /// Reads a file of this directory, at most [`MAX_TEXT`] bytes; none if there is no such file.
    ///
    /// # Errors
    /// The name leads elsewhere, the file is too large, or the system refused.
    pub fn read_file(&self, file_name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        names::check_plain(file_name)?;
        let path = self.path().join(file_name);
        let Some(file) = open::read(self.disk(), &path)? else { return Ok(None) };
        read_text(file, &path).map(Some)
    }

    /// Opens a file of this directory as the system's own, to be sent over a network, without following a symbolic link.
    /// Only the last component of `path` counts.
    ///
    /// # Errors
    /// There is no such file (the cause is [`NotFound`](std::io::ErrorKind::NotFound)), or it is not a regular one.
    pub fn open_file(&self, path: &Path) -> Result<std::fs::File, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        names::check_plain(name)?;
        let path = self.path().join(name);
        let file = open::read(self.disk(), &path)?
            .ok_or_else(|| StoreError::new("open", &path, std::io::ErrorKind::NotFound.into()))?;
        file.into_system().at("open", &path)
    }

    /// Opens a recording of this directory to read, without following a symbolic link. Only the last component of
    /// `path` counts, so a path from an old summary works after the directory was moved, and none leads elsewhere.
    ///
    /// # Errors
    /// There is no such file (the cause is [`NotFound`](std::io::ErrorKind::NotFound)), or it is not a regular one.
    pub fn open_recording(
        &self,
        path: &Path,
    ) -> Result<impl Read + Seek + fmt::Debug + Send + Sync + use<>, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        names::check_plain(name)?;
        let path = self.path().join(name);
        open::read(self.disk(), &path)?
            .ok_or_else(|| StoreError::new("open", &path, std::io::ErrorKind::NotFound.into()))
    }

    /// SHA-256 of a recording, in lower-case hexadecimal, and its length in bytes. The file is read in pieces.
    ///
    /// # Errors
    /// As [`open_recording`](Self::open_recording), or the disk refused to read.
    pub fn sha256_of(&self, path: &Path) -> Result<(String, u64), StoreError> {
        let mut file = self.open_recording(path)?;
        let mut hash = Sha256::new();
        let (mut buffer, mut len) = (vec![0; 64 * 1024], 0);
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok((hex::encode(hash.finalize()), len)),
                Ok(n) => {
                    hash.update(&buffer[..n]);
                    len += n as u64;
                    // It may be an hour's: who has a call to serve goes first.
                    std::thread::yield_now();
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(StoreError::new("read", path, cause)),
            }
        }
    }

    /// Every call that has a summary, text or JSON, the latest first.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn calls(&self) -> Result<Vec<FinishedCall>, StoreError> {
        let mut summaries = Vec::new();
        let list = |name: &str, kind: Option<Kind>| {
            let call = names::parse_summary(name).filter(|_| kind.is_none_or(|kind| kind == Kind::File));
            summaries.extend(call.map(|call| (name.to_owned(), call)));
        };
        self.disk().list(self.path(), list).at("list", self.path())?;
        let mut found = HashMap::new();
        for (name, call) in summaries {
            let path = self.path().join(name);
            // One that disappears while we look was being replaced or removed: not an error.
            let Some(modified) = self.disk().modified(&path).at("look at", &path)? else { continue };
            let latest = found.entry(call).or_insert(modified);
            *latest = modified.max(*latest);
        }
        let mut calls: Vec<_> =
            found.into_iter().map(|(call, modified)| FinishedCall { call, modified }).collect();
        calls.sort_by(|a, b| (b.modified, &a.call).cmp(&(a.modified, &b.call)));
        Ok(calls)
    }

    /// Renames a file that cannot be understood to `<name>.bad` (or `<name>.bad.2`, ...), so that a new one can take
    /// its place and a person can look at it. Only `.txt` and `.json` files. Returns the new path.
    ///
    /// # Errors
    /// The name is not one of a text in this directory, there is no such file, or the system refused.
    pub fn set_aside(&self, file_name: &str) -> Result<PathBuf, StoreError> {
        names::check_text(file_name)?;
        recovery::rename_aside(self, &self.path().join(file_name))
    }
}

/// All of a file that should be small.
pub(crate) fn read_text(file: impl Read, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    file.take(MAX_TEXT + 1).read_to_end(&mut bytes).at("read", path)?;
    check_length(bytes.len(), path)?;
    Ok(bytes)
}

fn check_length(bytes: usize, path: &Path) -> Result<(), StoreError> {
    match bytes as u64 {
        0..=MAX_TEXT => Ok(()),
        bytes => Err(StoreError::TooLarge { path: path.to_owned(), bytes, limit: MAX_TEXT }),
    }
}
