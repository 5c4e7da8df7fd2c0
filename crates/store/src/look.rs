//! Looking at what is there without making, owning or changing anything: for whoever only wants to see.

use std::fmt;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dir::refuse_link;
use crate::disk::Disk;
use crate::error::{At, StoreError};
use crate::{CallId, JournalReader, finished, names, open};

/// A recordings directory that is only looked at. Nothing is made, not even a directory that is missing.
#[derive(Clone, Debug)]
pub struct ReadOnlyDir {
    path: PathBuf,
}

impl ReadOnlyDir {
    /// The directory, whether there is one or not.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where journals are.
    pub fn journals(&self) -> PathBuf {
        self.path.join(names::JOURNAL_DIR)
    }

    /// A call's journals by the number of the stream, those of living writers too.
    ///
    /// # Errors
    /// The directory cannot be listed, or is a symbolic link. One that is missing holds nothing.
    pub fn journals_of(&self, call: &CallId) -> Result<Vec<(u32, PathBuf)>, StoreError> {
        refuse_link(&Disk::System, &self.journals())?;
        list(&self.journals(), |name| {
            names::parse_journal(name).filter(|found| found.0 == *call).map(|(_, number)| number)
        })
    }

    /// A call's recordings by the number of the stream.
    ///
    /// # Errors
    /// The directory cannot be listed. One that is missing holds nothing.
    pub fn recordings_of(&self, call: &CallId) -> Result<Vec<(u32, PathBuf)>, StoreError> {
        list(&self.path, |name| {
            names::parse_recording(name).filter(|found| found.0 == *call).map(|(_, number)| number)
        })
    }

    /// What is in a call's summary for programs; none if there is no such file.
    ///
    /// # Errors
    /// The file is too large, or the system refused.
    pub fn summary_of(&self, call: &CallId) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path.join(names::summary_json(call));
        open::read(&Disk::System, &path)?.map(|file| finished::read_text(file, &path)).transpose()
    }

    /// Opens a file of this directory to read, without following a symbolic link. Only the last component of `path`
    /// counts.
    ///
    /// # Errors
    /// There is no such file (the cause is [`NotFound`](std::io::ErrorKind::NotFound)), or it is not a regular one.
    pub fn open(
        &self,
        path: &Path,
    ) -> Result<impl Read + Seek + fmt::Debug + Send + Sync + use<>, StoreError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        names::check_plain(name)?;
        let path = self.path.join(name);
        open::read(&Disk::System, &path)?
            .ok_or_else(|| StoreError::new("open", &path, std::io::ErrorKind::NotFound.into()))
    }

    /// Whose file a path's last component names: the call, and the number of the stream if it is a journal or a
    /// recording. None if it is no name of this crate's.
    pub fn owner_of(path: &Path) -> Option<(CallId, Option<u32>)> {
        let name = path.file_name()?.to_str()?;
        let numbered = names::parse_journal(name).or_else(|| names::parse_recording(name));
        let numbered = numbered.map(|(call, number)| (call, Some(number)));
        numbered.or_else(|| Some((names::parse_summary(name)?, None)))
    }
}

fn list(directory: &Path, number: impl Fn(&str) -> Option<u32>) -> Result<Vec<(u32, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    let listed = Disk::System.list(directory, |name, _| {
        found.extend(number(name).map(|number| (number, directory.join(name))));
    });
    match listed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        listed => listed.at("list", directory)?,
    }
    found.sort();
    Ok(found)
}

impl JournalReader {
    /// Reads a journal that may be a living writer's: nothing is locked, and what is read is what is whole by now.
    ///
    /// Give [`next`](Self::next) the limit `u64::MAX`. A writer goes on writing: what is not whole yet looks like a torn
    /// tail, and is read by a later call.
    ///
    /// # Errors
    /// There is no such file (the cause is [`NotFound`](std::io::ErrorKind::NotFound)), it is not a regular one, or no
    /// journal.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let file = open::read(&Disk::System, path)?;
        let file = file.ok_or_else(|| StoreError::new("open", path, std::io::ErrorKind::NotFound.into()))?;
        Self::new(Arc::new(file), path.to_owned())
    }
}
