//! The one way from this crate to a disk: the system's, or in tests a simulated one.
//!
//! Without the feature `simulation` there is nothing but the system's, and nothing of this is left in the program.

mod file;

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::time::SystemTime;

#[cfg(feature = "simulation")]
use std::sync::Arc;

#[cfg(feature = "simulation")]
use crate::simulation;
pub(crate) use file::File;

/// Where the files are.
#[derive(Clone, Debug)]
pub(crate) enum Disk {
    /// Wherever the system has them.
    System,
    /// Nowhere.
    #[cfg(feature = "simulation")]
    Simulated(Arc<dyn simulation::Disk>),
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "a simulated disk is told"))]
pub enum Opening {
    /// To read.
    Read,
    /// To read and write.
    ReadWrite,
    /// To read and write; nothing may have the name yet.
    New,
    /// To read and write; made if there is none.
    OrNew,
}

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(feature = "simulation"), allow(unreachable_pub, reason = "a simulated disk is told"))]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Something else.
    Other,
}

impl From<fs::FileType> for Kind {
    fn from(found: fs::FileType) -> Self {
        match (found.is_file(), found.is_dir(), found.is_symlink()) {
            (true, _, _) => Self::File,
            (_, true, _) => Self::Directory,
            (_, _, true) => Self::Link,
            _ => Self::Other,
        }
    }
}

/// Options that follow no symbolic link at the last step and give files to their owner alone.
fn options(opening: Opening) -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // NONBLOCK has no meaning for a file; it keeps a FIFO put in its place from blocking us.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options.read(true).write(opening != Opening::Read);
    match opening {
        Opening::Read | Opening::ReadWrite => &mut options,
        Opening::New => options.create_new(true),
        Opening::OrNew => options.create(true).truncate(false),
    };
    options
}

impl Disk {
    /// A number that nobody else has, in this process or another.
    pub(crate) fn unique(&self) -> u64 {
        match self {
            // The standard library's hasher keys are the only randomness that needs no clock, no crate and no system call.
            Self::System => RandomState::new().hash_one(0),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.unique(),
        }
    }

    pub(crate) fn open(&self, path: &Path, opening: Opening) -> io::Result<File> {
        match self {
            Self::System => options(opening).open(path).map(File::System),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => Ok(File::Simulated { file: disk.open(path, opening)?, at: 0 }),
        }
    }

    /// What has this name; a link is not followed.
    pub(crate) fn kind(&self, path: &Path) -> io::Result<Kind> {
        match self {
            Self::System => Ok(fs::symlink_metadata(path)?.file_type().into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.kind(path),
        }
    }

    /// Whether this open file is what has the name now. False if nothing has it.
    pub(crate) fn is_at(&self, file: &File, path: &Path) -> io::Result<bool> {
        match (self, file) {
            (Self::System, File::System(file)) => is_at(file, path),
            #[cfg(feature = "simulation")]
            (Self::Simulated(_), File::Simulated { file, .. }) => file.is_at(path),
            #[cfg(feature = "simulation")]
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Calls `found` with the name of everything in a directory, and with what it is, if the system knows.
    pub(crate) fn list(&self, path: &Path, mut found: impl FnMut(&str, Option<Kind>)) -> io::Result<()> {
        match self {
            Self::System => {
                for entry in fs::read_dir(path)? {
                    let entry = entry?;
                    if let Some(name) = entry.file_name().to_str() {
                        found(name, entry.file_type().ok().map(Kind::from));
                    }
                }
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => {
                for (name, kind) in disk.list(path)? {
                    found(&name, Some(kind));
                }
            }
        }
        Ok(())
    }

    /// When a regular file was written last; none if it is no file, or gone.
    pub(crate) fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        match self {
            Self::System => match fs::symlink_metadata(path) {
                Ok(found) if found.is_file() => found.modified().map(Some),
                _ => Ok(None),
            },
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.modified(path),
        }
    }

    /// Makes a directory, and those above it, for the owner alone. One that exists keeps its mode.
    pub(crate) fn make_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => {
                let mut builder = DirBuilder::new();
                builder.recursive(true);
                #[cfg(unix)]
                {
                    use std::os::unix::fs::DirBuilderExt;
                    builder.mode(0o700);
                }
                builder.create(path)
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.make_directory(path),
        }
    }

    /// What a directory lets others do, as Unix has it: the lowest nine bits of its mode. None where there is no such thing.
    pub(crate) fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        match self {
            #[cfg(unix)]
            Self::System => {
                use std::os::unix::fs::PermissionsExt;
                Ok(Some(fs::metadata(path)?.permissions().mode() & 0o777))
            }
            #[cfg(not(unix))]
            Self::System => fs::metadata(path).map(|_| None),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(None),
        }
    }

    /// Lets the group of a directory look into it, whatever the process's mask for new files is.
    pub(crate) fn let_group_in(&self, path: &Path) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::System => {
                permit(&fs::metadata(path)?, 0o050, |permissions| fs::set_permissions(path, permissions))
            }
            #[cfg(not(unix))]
            Self::System => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(()),
        }
    }

    /// Renames; what had the new name is replaced.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::System => fs::rename(from, to),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.rename(from, to),
        }
    }

    /// Renames; nothing may have the new name. Not every kernel and file system can.
    pub(crate) fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::System => rename_to_free_name(from, to),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.rename_to_free_name(from, to),
        }
    }

    /// Gives a file a second name, which nothing may have.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::System => fs::hard_link(from, to),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.link(from, to),
        }
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => fs::remove_file(path),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.remove(path),
        }
    }

    /// How many bytes this user may still write where the path is. Not every system says so.
    pub(crate) fn free_space(&self, path: &Path) -> io::Result<u64> {
        match self {
            #[cfg(unix)]
            Self::System => {
                let found = rustix::fs::statvfs(path)?;
                Ok(found.f_bavail.saturating_mul(found.f_frsize))
            }
            #[cfg(not(unix))]
            Self::System => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.free_space(path),
        }
    }

    /// Brings the names in a directory to the disk. Windows has no such operation, and needs none.
    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::System => fs::File::open(path)?.sync_all(),
            #[cfg(not(unix))]
            Self::System => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(disk) => disk.sync_directory(path),
        }
    }
}

/// Adds to what is permitted, unless it is: only an owner may change that, and need not where all is well.
#[cfg(unix)]
fn permit(
    found: &fs::Metadata,
    bits: u32,
    set: impl FnOnce(fs::Permissions) -> io::Result<()>,
) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = found.permissions();
    if permissions.mode() & bits == bits {
        return Ok(());
    }
    permissions.set_mode(permissions.mode() | bits);
    set(permissions)
}

#[cfg(unix)]
fn is_at(file: &fs::File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let named = match fs::symlink_metadata(path) {
        Ok(named) => named,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(cause),
    };
    let ours = file.metadata()?;
    Ok(ours.nlink() > 0 && ours.dev() == named.dev() && ours.ino() == named.ino())
}

#[cfg(not(unix))]
fn is_at(_: &fs::File, path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(named.is_file()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn rename_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn rename_to_free_name(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
