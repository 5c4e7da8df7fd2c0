//! Journals that nobody writes any more: found, locked, read, removed or set aside; and the clean-up of what else a
//! crash leaves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, File, Kind};
use crate::error::{At, HeaderDamage, StoreError};
use crate::{CallId, JournalReader, RecordingsDir, dir, journal, names, open};

impl RecordingsDir {
    /// Every journal, in the order of calls and numbers. Whether one is really free, [`FreeJournal::lock`] tells.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn free_journals(&self) -> Result<Vec<FreeJournal>, StoreError> {
        let mut found = Vec::new();
        for name in self.list_journals()? {
            if let Some((call, number)) = names::parse_journal(&name) {
                found.push(FreeJournal { path: self.journals().join(name), dir: self.clone(), call, number });
            }
        }
        found.sort_by(|a, b| (&a.call, a.number).cmp(&(&b.call, b.number)));
        Ok(found)
    }

    /// Removes partial and temporary files whose owner is gone, and [marks](LockedJournal::begin_attempt) whose journal is. Those of live
    /// owners stay, in this process or another; and so do those that cannot be removed, which are told of and keep none of the others.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn clean_up(&self) -> Result<CleanUp, StoreError> {
        let mut done = CleanUp::default();
        let names = self.list_journals()?;
        for name in names.iter().filter(|name| names::is_temporary(name)) {
            match self.remove_unowned(&self.journals().join(name)) {
                Ok(removed) => done.removed += usize::from(removed),
                Err(error) => done.refused.push(error),
            }
        }
        for name in names.iter().filter(|name| self.is_stale_mark(name).unwrap_or(false)) {
            let path = self.journals().join(name);
            match self.disk().remove(&path) {
                Ok(()) => done.removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => done.refused.push(StoreError::new("remove", &path, cause)),
            }
        }
        Ok(done)
    }

    fn remove_unowned(&self, path: &Path) -> Result<bool, StoreError> {
        let Some(file) = open::read_write(self.disk(), path)? else { return Ok(false) };
        let is_free = open::try_lock(&file, path)? && open::is_file_at(self.disk(), &file, path)?;
        if is_free {
            self.disk().remove(path).at("remove", path)?;
        }
        Ok(is_free)
    }

    /// The names of the regular files in `.journal`.
    pub(crate) fn list_journals(&self) -> Result<Vec<String>, StoreError> {
        let dir = self.own_journals()?;
        let mut names = Vec::new();
        let mut found = |name: &str, kind| {
            if kind == Some(Kind::File) {
                names.push(name.to_owned());
            }
        };
        self.disk().list(dir, &mut found).at("list", dir)?;
        Ok(names)
    }
}

/// What a [clean-up](RecordingsDir::clean_up) did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CleanUp {
    /// Files that were removed.
    pub removed: usize,
    /// Why others are still there.
    pub refused: Vec<StoreError>,
}

/// A journal that was found, and perhaps is free.
#[derive(Clone, Debug)]
pub struct FreeJournal {
    dir: RecordingsDir,
    path: PathBuf,
    call: CallId,
    number: u32,
}

impl FreeJournal {
    /// The call.
    pub fn call(&self) -> &CallId {
        &self.call
    }

    /// The number of the stream within its call.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the journal ours; none if someone owns it, in this process or another, or has finished it meanwhile.
    ///
    /// # Errors
    /// It cannot be opened, locked or read.
    pub fn lock(self) -> Result<Option<LockedJournal>, StoreError> {
        let Some(file) = open::read_write(self.dir.disk(), &self.path)? else { return Ok(None) };
        // Between listing and locking its owner may have finished and removed it: then the lock is on a nameless file.
        if !open::try_lock(&file, &self.path)? || !open::is_file_at(self.dir.disk(), &file, &self.path)? {
            return Ok(None);
        }
        let header = journal::read_front(&file, &self.path)?.map(|front| front.header);
        let Self { dir, path, call, number } = self;
        Ok(Some(LockedJournal { file: Arc::new(file), dir, path, call, number, header }))
    }
}

/// A journal whose writer is gone, ours until this, and the readers made by it, are dropped.
#[derive(Debug)]
pub struct LockedJournal {
    file: Arc<File>,
    dir: RecordingsDir,
    path: PathBuf,
    call: CallId,
    number: u32,
    header: Result<Vec<u8>, HeaderDamage>,
}

impl LockedJournal {
    /// The call.
    pub fn call(&self) -> &CallId {
        &self.call
    }

    /// The number of the stream within its call.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn dir(&self) -> &RecordingsDir {
        &self.dir
    }

    pub(crate) fn disk(&self) -> &Disk {
        self.dir.disk()
    }

    /// The bytes given to [`create_journal`](RecordingsDir::create_journal).
    ///
    /// # Errors
    /// The header is unusable, and so is the journal: [set it aside](Self::set_aside) if it is damaged, leave it if
    /// it has another version.
    pub fn header(&self) -> Result<&[u8], HeaderDamage> {
        self.header.as_deref().map_err(|damage| *damage)
    }

    /// A reader from the first record on; its limit is `u64::MAX`.
    ///
    /// # Errors
    /// As [`header`](Self::header), or the disk refused.
    pub fn reader(&self) -> Result<JournalReader, StoreError> {
        JournalReader::new(Arc::clone(&self.file), self.path.clone())
    }

    /// Brings this journal to the disk, its name too: what was read of it may have been in memory alone.
    ///
    /// # Errors
    /// The disk refused: do not trust what was written, even if a later sync succeeds.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().at("sync", &self.path)?;
        open::sync_directory(self.dir.disk(), self.dir.own_journals()?)
    }

    /// The same with what a failed sync may have forgotten: all of it is written again before it is synced, for whether a sync failed in
    /// the process that wrote it, nobody knows any more.
    ///
    /// # Errors
    /// The disk refused: what was forgotten may still be. This may be tried again.
    pub fn sync_whole(&self) -> Result<(), StoreError> {
        let failed_syncs = self.dir.failed_syncs();
        let written = journal::sync::write_again(&self.file, &self.path, 0, u64::MAX);
        // What could not be written again in all is synced all the same.
        self.sync()?;
        written?;
        self.dir.check_syncs(failed_syncs, "sync", &self.path)
    }

    /// Removes the journal: the recording is safe, or there is nothing to record.
    ///
    /// # Errors
    /// The system refused; it will be found again.
    pub fn remove(self) -> Result<(), StoreError> {
        self.forget_attempts();
        self.dir.disk().remove(&self.path).at("remove", &self.path)
    }

    /// Renames the journal to `<name>.bad`, so that it is kept for a person but not found again. Its number stays
    /// taken. Returns the new path.
    ///
    /// # Errors
    /// The system refused.
    pub fn set_aside(self) -> Result<PathBuf, StoreError> {
        self.forget_attempts();
        set_aside(&self.dir, &self.path)
    }
}

/// The name is brought to the disk: under its old one the journal would be taken again.
pub(crate) fn set_aside(dir: &RecordingsDir, journal: &Path) -> Result<PathBuf, StoreError> {
    let aside = rename_aside(dir, journal)?;
    open::sync_directory(dir.disk(), dir.own_journals()?)?;
    Ok(aside)
}

/// A file has its new name, and the first still: it would be taken for one that was never set aside.
fn remove_first_name(dir: &RecordingsDir, path: &Path) -> Result<(), StoreError> {
    dir.disk().remove(path).at("remove", path)
}

/// Renames to the first free one of `<name>.bad`, `<name>.bad.2`, ...
pub(crate) fn rename_aside(dir: &RecordingsDir, path: &Path) -> Result<PathBuf, StoreError> {
    let first = journal::aside(path);
    let mut to = first.clone();
    for number in 2.. {
        match dir.renaming().rename(dir.disk(), path, &to) {
            // Of a link and an unlink, the second may have failed.
            Ok(()) if !dir::exists(dir.disk(), path)? => return Ok(to),
            Ok(()) => return remove_first_name(dir, path).map(|()| to),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let file = open::read(dir.disk(), path)?;
                if file.is_some_and(|file| open::is_file_at(dir.disk(), &file, &to).unwrap_or(false)) {
                    return remove_first_name(dir, path).map(|()| to);
                }
            }
            Err(cause) => return Err(StoreError::new("set aside", path, cause)),
        }
        to = journal::with_added(&first, &format!(".{number}"));
    }
    Err(StoreError::NoNumberFree { path: to })
}
