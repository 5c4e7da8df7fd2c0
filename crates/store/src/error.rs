//! What can go wrong with files, told by what the reader can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::Partial;
use crate::names::{name_for_log, path_for_log};

/// An operation on the recordings directory failed.
///
/// Paths begin with the directory as it was given to [`RecordingsDir::open`](crate::RecordingsDir::open). The text of
/// an error is complete: it contains the system's own reason, so a log needs no more than the error's `Display`. What no log is to
/// tell is left out of it, as [`path_for_log`] does; the fields have all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no space left, or the user's quota is used up. It may work again later.
    #[error("cannot {doing} {}: {cause}; free some space, nothing already written is lost", path_for_log(.path))]
    Full {
        /// What was tried, for example "write".
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The file system is mounted read-only, or the user has no right.
    #[error("cannot {doing} {}: {cause}; let callrec's user write there, or choose another recordings directory", path_for_log(.path))]
    NotWritable {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The file system lacks something that safe recording needs: file locks, or a way to give a file a name without
    /// replacing another.
    #[error("cannot {doing} {}: {cause}; this file system cannot do it, choose a recordings directory on a local disk", path_for_log(.path))]
    Unsupported {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// Any other failure of the system.
    #[error("cannot {doing} {}: {cause}", path_for_log(.path))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// The system's reason.
        cause: io::Error,
    },
    /// The place is taken by something that is not a directory.
    #[error("{} is not a directory: move it away, or choose another recordings directory", path_for_log(.path))]
    NotADirectory {
        /// What was found.
        path: PathBuf,
    },
    /// `.journal` is a symbolic link. Recordings would leave the directory, or cross to another file system.
    #[error("{} is a symbolic link: replace it by a directory (the recordings directory itself may be a link)", path_for_log(.path))]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// Not a regular file, so nothing that this crate has written.
    #[error("{} is not a regular file: move it away", path_for_log(.path))]
    NotAFile {
        /// What was found.
        path: PathBuf,
    },
    /// A file name or extension that this directory has no place for.
    #[error("{:?} cannot be a file's name here: {allowed}", name_for_log(.name))]
    Name {
        /// The name that was asked for.
        name: String,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// A journal's header cannot be used.
    #[error("{} cannot be read: {damage}", path_for_log(.path))]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        damage: HeaderDamage,
    },
    /// A file, header or position is beyond a limit of this crate.
    #[error("{} has {bytes} bytes where at most {limit} are allowed", path_for_log(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size that was met or asked for, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Every number that a stream of this call could have is taken.
    #[error("{} has no free stream number left", path_for_log(.path))]
    NoNumberFree {
        /// The last name tried.
        path: PathBuf,
    },
}

impl StoreError {
    pub(crate) fn new(doing: &'static str, path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { doing, path, cause },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { doing, path, cause }
            }
            io::ErrorKind::Unsupported => Self::Unsupported { doing, path, cause },
            _ => Self::Io { doing, path, cause },
        }
    }

    /// The disk is full: the same call may succeed once there is space.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// The disk is full or refuses, as one that is broken or mounted read-only, or takes no file as long as this: the same call may
    /// succeed when that is mended, and by no change of who calls or of which directory it is.
    pub fn is_for_now(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::NotWritable { cause, .. } | Self::Io { cause, .. } => refuses_for_now(cause),
            _ => false,
        }
    }
}

fn refuses_for_now(cause: &io::Error) -> bool {
    #[cfg(unix)]
    if cause.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) {
        return true;
    }
    matches!(cause.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::FileTooLarge)
}

/// Turns a failure of the system into an error that names what was tried and where.
pub(crate) trait At<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, doing: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|cause| StoreError::new(doing, path, cause))
    }
}

/// Why a journal's header cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderDamage {
    /// It is cut short or its checksum is wrong. A power loss within a second of the stream's beginning can do this.
    #[error("its header is damaged or cut short")]
    Damaged,
    /// It was written by another version of callrec.
    #[error(
        "it has version {0}, which this callrec does not know: recover it with the version that wrote it"
    )]
    Version(u32),
}

/// A partial file did not become a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The stream already has a recording. It was not touched.
    #[error("{} already exists and is never replaced", path_for_log(.path))]
    AlreadyExists {
        /// The recording that is in the way.
        path: PathBuf,
        /// What was to be published.
        partial: Box<Partial>,
    },
    /// The system refused. Nothing has appeared under the final name; publishing may be tried again.
    #[error("{error}")]
    Failed {
        /// The reason.
        error: StoreError,
        /// What was to be published.
        partial: Box<Partial>,
    },
    /// The recording is in its place, but the directory could not be synced: a power loss might still take the name
    /// away. The journal must be kept.
    #[error("{} is saved, but perhaps not on disk yet: {error}", path_for_log(.path))]
    NotSynced {
        /// The recording.
        path: PathBuf,
        /// The reason.
        error: StoreError,
    },
}

impl PublishError {
    /// The partial file, to be tried again or discarded; none if it is in its place already.
    pub fn into_partial(self) -> Option<Partial> {
        match self {
            Self::AlreadyExists { partial, .. } | Self::Failed { partial, .. } => Some(*partial),
            Self::NotSynced { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_or_read_only_disk_is_told_with_the_path_and_what_to_do() {
        let told = |kind: io::ErrorKind| {
            StoreError::new("write", Path::new("responses/.journal/CA1_1.journal"), kind.into()).to_string()
        };
        let full = told(io::ErrorKind::StorageFull);
        assert!(full.starts_with("cannot write responses/.journal/CA1_1.journal: "), "{full}");
        assert!(full.contains("free some space"), "{full}");
        assert!(told(io::ErrorKind::QuotaExceeded).contains("free some space"));
        assert!(told(io::ErrorKind::ReadOnlyFilesystem).contains("another recordings directory"));
        assert!(told(io::ErrorKind::PermissionDenied).contains("another recordings directory"));
        assert!(told(io::ErrorKind::Unsupported).contains("local disk"));
    }

    #[test]
    #[cfg(unix)]
    fn a_disk_that_is_full_or_broken_or_read_only_refuses_for_now_and_a_right_that_is_missing_does_not() {
        use rustix::io::Errno;
        let refused = |errno: Errno| StoreError::new("write", Path::new("responses"), errno.into());
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO, Errno::FBIG] {
            assert!(refused(errno).is_for_now(), "{errno:?}");
        }
        for errno in [Errno::ACCESS, Errno::PERM, Errno::NOTDIR, Errno::NOENT, Errno::NOSYS, Errno::XDEV] {
            assert!(!refused(errno).is_for_now(), "{errno:?}");
        }
    }
}
