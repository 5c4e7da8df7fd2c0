//! The recordings directory: opening it, the paths of a call's files, the sync of everything in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::disk::{Disk, File, Kind};
use crate::error::{At, StoreError};
use crate::rename::Renaming;
use crate::{CallId, names, open};

/// Who may read what is finished, besides the system's administrators.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Readers {
    /// The user that callrec runs as: directories have mode 0700, files 0600.
    #[default]
    Owner,
    /// The group of the recordings directory too: it has mode 0750, recordings, transcripts and summaries 0640.
    ///
    /// `.journal` stays the owner's: whoever may open a file may lock it, and so keep recordings from being finished.
    Group,
}

/// A directory that lets others in than those who are to read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct OpenToStrangers {
    /// Which.
    pub path: PathBuf,
    /// The lowest nine bits of its mode.
    pub mode: u32,
    /// What they should be.
    pub right: u32,
}

/// The directory where recordings, transcripts and summaries go, with `.journal` inside for what is not finished.
///
/// Clones share the same open directory. Several processes may use one directory at the same time.
#[derive(Clone, Debug)]
pub struct RecordingsDir {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    journals: PathBuf,
    disk: Disk,
    renaming: Renaming,
    readers: Readers,
    /// How many syncs of everything failed.
    failed_syncs: AtomicU64,
    /// There is none as long as the disk refused to make the directories.
    made: OnceLock<Made>,
}

/// The directories are there.
#[derive(Debug)]
struct Made {
    /// Held from the beginning: the kernel reports a failed write-back to descriptors that were open when it happened.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    handle: Option<std::fs::File>,
}

impl RecordingsDir {
    /// Opens the directory; makes it, and `.journal` in it, if missing (mode 0700 on Unix).
    ///
    /// The directory itself may be a symbolic link; `.journal` may not.
    ///
    /// # Errors
    /// A [`StoreError`] that names the path. A directory that exists but cannot be written to opens: the first write
    /// tells, or [`probe`](Self::probe). So does one that the disk refuses [for now](StoreError::is_for_now): what is missing is made
    /// before it is used.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_for(path, Readers::Owner)
    }

    /// As [`open`](Self::open), for others to read too. Files that are there already keep their modes; a directory that is
    /// there lets a group in that is to read, and is never closed to anybody: see [`lets_strangers_in`](Self::lets_strangers_in).
    ///
    /// # Errors
    /// As [`open`](Self::open), or the directory is another user's and does not let the group in.
    pub fn open_for(path: impl AsRef<Path>, readers: Readers) -> Result<Self, StoreError> {
        Self::open_with(Disk::System, path.as_ref(), Renaming::KernelFirst, readers)
    }

    /// The same on a simulated disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    #[cfg(feature = "simulation")]
    #[doc(hidden)]
    pub fn open_simulated(
        disk: Arc<dyn crate::simulation::Disk>,
        path: impl AsRef<Path>,
    ) -> Result<Self, StoreError> {
        Self::open_with(Disk::Simulated(disk), path.as_ref(), Renaming::KernelFirst, Readers::Owner)
    }

    pub(crate) fn open_with(
        disk: Disk,
        path: &Path,
        renaming: Renaming,
        readers: Readers,
    ) -> Result<Self, StoreError> {
        let dir = Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                journals: path.join(names::JOURNAL_DIR),
                disk,
                renaming,
                readers,
                failed_syncs: AtomicU64::new(0),
                made: OnceLock::new(),
            }),
        };
        match dir.make() {
            Err(error) if error.is_for_now() => {}
            made => made?,
        }
        Ok(dir)
    }

    /// Makes the directories, unless that was done: a disk that had no room for them may have it now.
    fn make(&self) -> Result<(), StoreError> {
        if self.inner.made.get().is_some() {
            return Ok(());
        }
        let Inner { path, journals, disk, readers, .. } = &*self.inner;
        open::make_lasting_directory(disk, path, *readers)?;
        if *readers == Readers::Group {
            disk.let_group_in(path).at("let the group into", path)?;
        }
        refuse_link(disk, journals)?;
        open::make_directory_in_lasting(disk, journals)?;
        let made = Made {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            handle: match disk {
                Disk::System => Some(std::fs::File::open(path).at("open", path)?),
                #[cfg(feature = "simulation")]
                Disk::Simulated(_) => None,
            },
        };
        // Who was faster has one that is as good.
        let _ = self.inner.made.set(made);
        Ok(())
    }

    /// The directory as it was given.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The directory of what is not finished, for names of what was made or found in it.
    pub(crate) fn journals(&self) -> &Path {
        &self.inner.journals
    }

    /// The same, before something is made, looked for or synced in it: it may have been replaced by a link since it was opened, or the
    /// disk had no room for it then.
    ///
    /// What remains: it is looked before each use, and not held open, so that a link put there between the look and the use is
    /// followed; and files that were made or found before are renamed and removed by their paths without another look. Who could do that may
    /// write in the recordings directory, which is for its owner alone (and read by a group at most): it is themselves that they would mislead.
    pub(crate) fn own_journals(&self) -> Result<&Path, StoreError> {
        self.make()?;
        // Nobody else is at a simulated disk, where each look is a step at which it may fail.
        if matches!(self.disk(), Disk::System) {
            refuse_link(self.disk(), self.journals())?;
        }
        Ok(self.journals())
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.inner.disk
    }

    pub(crate) fn renaming(&self) -> Renaming {
        self.inner.renaming
    }

    /// Those of the two directories, this one and `.journal`, that let others in than those who are to read: they were there
    /// before, and are left as they were found. `.journal` is the owner's, whoever is to read what is finished.
    ///
    /// # Errors
    /// The system refused to look.
    pub fn lets_strangers_in(&self) -> Result<Vec<OpenToStrangers>, StoreError> {
        let right = match self.inner.readers {
            Readers::Owner => 0o700,
            Readers::Group => 0o750,
        };
        let mut open = Vec::new();
        for (path, right) in [(self.path(), right), (self.own_journals()?, 0o700)] {
            let mode = self.disk().mode(path).at("look at", path)?;
            let mode = mode.filter(|mode| mode & 0o777 & !right != 0);
            open.extend(mode.map(|mode| OpenToStrangers { path: path.to_owned(), mode, right }));
        }
        Ok(open)
    }

    /// Lets a new file be read by those who are to.
    pub(crate) fn share(&self, file: &File, path: &Path) -> Result<(), StoreError> {
        match self.inner.readers {
            Readers::Owner => Ok(()),
            Readers::Group => file.let_group_read().at("let the group read", path),
        }
    }

    /// The file name of a stream's recording: `call_<call>_conversation.<ext>`, from the second stream of a call on
    /// `call_<call>_conversation_<number>.<ext>`.
    pub fn recording_name(call: &CallId, number: u32, extension: &str) -> String {
        names::recording(call, number, extension)
    }

    /// Where a stream's recording is, or will be.
    pub fn recording_path(&self, call: &CallId, number: u32, extension: &str) -> PathBuf {
        self.path().join(names::recording(call, number, extension))
    }

    /// Where a call's transcript is, or will be: `call_<call>.txt`.
    pub fn transcript_path(&self, call: &CallId) -> PathBuf {
        self.path().join(names::transcript(call))
    }

    /// Where a call's summary is, or will be: `call_<call>_summary.txt`.
    pub fn summary_path(&self, call: &CallId) -> PathBuf {
        self.path().join(names::summary(call))
    }

    /// Where the summary for programs is, or will be: `call_<call>_summary.json`.
    pub fn summary_json_path(&self, call: &CallId) -> PathBuf {
        self.path().join(names::summary_json(call))
    }

    /// The recording of a stream, whichever of [`EXTENSIONS`](crate::EXTENSIONS) it has.
    ///
    /// # Errors
    /// The system refused to look.
    pub fn recording_of(&self, call: &CallId, number: u32) -> Result<Option<PathBuf>, StoreError> {
        for extension in names::EXTENSIONS {
            let path = self.recording_path(call, number, extension);
            if exists(self.disk(), &path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Whether a stream of the call has this number: by a journal, one that was set aside, or a recording.
    ///
    /// # Errors
    /// The directory cannot be looked at.
    pub fn is_taken(&self, call: &CallId, number: u32) -> Result<bool, StoreError> {
        let journal = self.own_journals()?.join(names::journal(call, number));
        Ok(exists(self.disk(), &journal)?
            || exists(self.disk(), &crate::journal::aside(&journal))?
            || self.recording_of(call, number)?.is_some())
    }

    /// Brings everything written in the directory so far to the disk.
    ///
    /// On Linux this is one `syncfs` for all calls, and covers the file system that the directory is on. Elsewhere it
    /// does nothing, because no such call exists: use [`JournalWriter::sync`](crate::JournalWriter::sync) for every
    /// journal.
    ///
    /// # Errors
    /// The disk refused something written since this directory was opened. A failure is reported once; what it
    /// concerned must not be trusted again even if the next sync succeeds: what is being written by these clones is refused when it
    /// is to be finished.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.sync_everything().inspect_err(|_| {
            self.inner.failed_syncs.fetch_add(1, Ordering::AcqRel);
        })
    }

    fn sync_everything(&self) -> Result<(), StoreError> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(Made { handle: Some(handle) }) = self.inner.made.get() {
            rustix::fs::syncfs(handle).map_err(std::io::Error::from).at("sync", self.path())?;
        }
        #[cfg(feature = "simulation")]
        if let Disk::Simulated(disk) = self.disk() {
            disk.sync_everything().at("sync", self.path())?;
        }
        Ok(())
    }

    /// How many syncs of everything failed so far; to be asked before a file is made.
    pub(crate) fn failed_syncs(&self) -> u64 {
        self.inner.failed_syncs.load(Ordering::Acquire)
    }

    /// Syncs a new file. `failed_syncs` is how many syncs of everything had failed before it was made: one that failed since may have
    /// forgotten some of it, and this one would not know. One that is going on is not waited for: where it fails for this file's
    /// bytes, Linux tells each open descriptor.
    pub(crate) fn sync_new(
        &self,
        file: &File,
        failed_syncs: u64,
        doing: &'static str,
        path: &Path,
    ) -> Result<(), StoreError> {
        file.sync_all().at(doing, path)?;
        self.check_syncs(failed_syncs, doing, path)
    }

    /// An error if another sync of everything has failed since there were so many.
    pub(crate) fn check_syncs(
        &self,
        failed_syncs: u64,
        doing: &'static str,
        path: &Path,
    ) -> Result<(), StoreError> {
        if self.failed_syncs() != failed_syncs {
            let cause = std::io::Error::other("a sync of everything failed while it was written");
            return Err(StoreError::new(doing, path, cause));
        }
        Ok(())
    }

    /// Whether [`sync`](Self::sync) covers all journals on this system.
    pub fn syncs_all(&self) -> bool {
        match self.disk() {
            Disk::System => cfg!(any(target_os = "linux", target_os = "android")),
            #[cfg(feature = "simulation")]
            Disk::Simulated(disk) => disk.syncs_all(),
        }
    }

    /// How many bytes the user may still write here. Quotas of a user or a directory are not known to all systems.
    ///
    /// # Errors
    /// The system does not say.
    pub fn free_space(&self) -> Result<u64, StoreError> {
        self.disk().free_space(self.path()).at("measure", self.path())
    }

    /// Tries whether files can be made, locked, written and removed here.
    ///
    /// # Errors
    /// What a recording would fail with, for a check at start or for a health report.
    pub fn probe(&self) -> Result<(), StoreError> {
        let (file, path) = open::locked_temporary(self.disk(), self.own_journals()?, names::temporary)?;
        let written = open::write_at(&file, &[0; 4096], 0).at("write", &path);
        self.disk().remove(&path).at("remove", &path)?;
        written
    }
}

pub(crate) fn refuse_link(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    if disk.kind(path).is_ok_and(|found| found == Kind::Link) {
        return Err(StoreError::SymbolicLink { path: path.to_owned() });
    }
    Ok(())
}

/// Whether anything has this name, a dangling link too.
pub(crate) fn exists(disk: &Disk, path: &Path) -> Result<bool, StoreError> {
    match disk.kind(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(StoreError::new("look at", path, cause)),
    }
}
