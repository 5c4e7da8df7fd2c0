//! The one way from this crate to a disk: the system's, or in tests a simulated one.
//!
//! Without the feature `simulation` there is nothing but the system's, and nothing of this is left in the program.

use std::fs::{self, DirBuilder, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::SystemTime;

#[cfg(feature = "simulation")]
use std::sync::Arc;

#[cfg(feature = "simulation")]
use crate::simulation;

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

/// An open file.
#[derive(Debug)]
pub(crate) enum File {
    System(fs::File),
    #[cfg(feature = "simulation")]
    Simulated {
        file: Box<dyn simulation::File>,
        /// Where the next read begins.
        at: u64,
    },
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

impl File {
    /// Reads from an offset; fewer bytes than there is room for do not mean the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Self::System(file) => std::os::unix::fs::FileExt::read_at(file, buffer, offset),
            #[cfg(windows)]
            Self::System(file) => std::os::windows::fs::FileExt::seek_read(file, buffer, offset),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.read_at(buffer, offset),
        }
    }

    /// Writes all bytes at an offset; if it fails, some of them may be written.
    pub(crate) fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::System(file) => std::os::unix::fs::FileExt::write_all_at(file, bytes, offset),
            #[cfg(windows)]
            Self::System(file) => write_all_at(file, bytes, offset),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.write_all_at(bytes, offset),
        }
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        match self {
            Self::System(file) => Ok(file.metadata()?.len()),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.len(),
        }
    }

    pub(crate) fn is_regular(&self) -> io::Result<bool> {
        match self {
            Self::System(file) => Ok(file.metadata()?.is_file()),
            #[cfg(feature = "simulation")]
            Self::Simulated { .. } => Ok(true),
        }
    }

    /// Lets the file's group read it, whatever the process's mask for new files is.
    pub(crate) fn let_group_read(&self) -> io::Result<()> {
        match self {
            #[cfg(unix)]
            Self::System(file) => {
                permit(&file.metadata()?, 0o040, |permissions| file.set_permissions(permissions))
            }
            #[cfg(not(unix))]
            Self::System(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated { .. } => Ok(()),
        }
    }

    /// The system's own file, for whoever sends it over a network.
    pub(crate) fn into_system(self) -> io::Result<fs::File> {
        match self {
            Self::System(file) => Ok(file),
            #[cfg(feature = "simulation")]
            Self::Simulated { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(crate) fn set_len(&self, len: u64) -> io::Result<()> {
        match self {
            Self::System(file) => file.set_len(len),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.set_len(len),
        }
    }

    /// Brings the file's bytes and its length to the disk.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_data(),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.sync(),
        }
    }

    /// As [`sync_data`](Self::sync_data), and what else is known of the file.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_all(),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.sync(),
        }
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.lock(),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => match file.try_lock()? {
                true => Ok(()),
                false => Err(io::ErrorKind::Deadlock.into()),
            },
        }
    }

    /// Takes the lock, if nobody else has it.
    pub(crate) fn try_lock(&self) -> io::Result<bool> {
        match self {
            Self::System(file) => match file.try_lock() {
                Ok(()) => Ok(true),
                Err(fs::TryLockError::WouldBlock) => Ok(false),
                Err(fs::TryLockError::Error(cause)) => Err(cause),
            },
            #[cfg(feature = "simulation")]
            Self::Simulated { file, .. } => file.try_lock(),
        }
    }

    /// The same open file once more, at its beginning.
    #[cfg(not(unix))]
    pub(crate) fn at_beginning(&self) -> io::Result<Self> {
        match self {
            Self::System(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Ok(Self::System(file))
            }
            #[cfg(feature = "simulation")]
            Self::Simulated { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

impl Read for File {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::System(file) => file.read(buffer),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, at } => {
                let read = file.read_at(buffer, *at)?;
                *at += read as u64;
                Ok(read)
            }
        }
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::System(file) => file.seek(to),
            #[cfg(feature = "simulation")]
            Self::Simulated { file, at } => {
                *at = match to {
                    SeekFrom::Start(to) => Some(to),
                    SeekFrom::Current(by) => at.checked_add_signed(by),
                    SeekFrom::End(by) => file.len()?.checked_add_signed(by),
                }
                .ok_or(io::ErrorKind::InvalidInput)?;
                Ok(*at)
            }
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

#[cfg(windows)]
fn write_all_at(file: &fs::File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => (bytes, offset) = (&bytes[n..], offset + n as u64),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
