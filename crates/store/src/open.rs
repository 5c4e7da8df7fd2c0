//! How files are opened, read and written: modes, no links followed, positions given with every access.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{At, StoreError};

/// Options that follow no symbolic link at the last step and give files to their owner alone.
fn options() -> OpenOptions {
    #[allow(unused_mut, reason = "changed on Unix only")]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // NONBLOCK has no meaning for a file; it keeps a FIFO put in its place from blocking us.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    options
}

/// Opens a regular file to read; none if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<File>, StoreError> {
    regular(options().read(true).open(path), path)
}

/// Opens a regular file to read and write; none if there is no such file.
pub(crate) fn read_write(path: &Path) -> Result<Option<File>, StoreError> {
    regular(options().read(true).write(true).open(path), path)
}

fn regular(opened: io::Result<File>, path: &Path) -> Result<Option<File>, StoreError> {
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            // A link is refused by the system in different words on different systems.
            let link = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
            return Err(match link {
                true => StoreError::NotAFile { path: path.to_owned() },
                false => StoreError::new("open", path, cause),
            });
        }
    };
    // Where the system has no way to refuse a link while opening, this is the next best.
    let link = cfg!(not(unix)) && fs::symlink_metadata(path).at("look at", path)?.is_symlink();
    if link || !file.metadata().at("look at", path)?.is_file() {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    Ok(Some(file))
}

/// Opens a lock file, made if missing.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    let opened = options().read(true).write(true).create(true).truncate(false).open(path);
    regular(opened, path)?.ok_or_else(|| StoreError::new("make", path, io::ErrorKind::NotFound.into()))
}

/// A new file with an unused name, locked by us: until it is renamed or removed, nobody takes it for an abandoned one.
pub(crate) fn locked_temporary(
    dir: &Path,
    name: impl Fn(u64) -> String,
) -> Result<(File, PathBuf), StoreError> {
    loop {
        // The standard library's hasher keys are the only randomness that needs no clock, no crate and no system call.
        let path = dir.join(name(RandomState::new().hash_one(dir)));
        let file = match options().read(true).write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(cause) => return Err(StoreError::new("make", &path, cause)),
        };
        // A clean-up may have seen the file before it was locked, and have removed it.
        if try_lock(&file, &path)? && is_file_at(&file, &path)? {
            return Ok((file, path));
        }
    }
}

/// Locks a file if nobody else has.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool, StoreError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(fs::TryLockError::WouldBlock) => return Ok(false),
            Err(fs::TryLockError::Error(e)) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(fs::TryLockError::Error(cause)) => return Err(StoreError::new("lock", path, cause)),
        }
    }
}

/// Whether the path still leads to this open file: another process may have finished and removed it meanwhile.
pub(crate) fn is_file_at(file: &File, path: &Path) -> Result<bool, StoreError> {
    let named = match fs::symlink_metadata(path) {
        Ok(named) => named,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(StoreError::new("look at", path, cause)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let ours = file.metadata().at("look at", path)?;
        Ok(ours.nlink() > 0 && ours.dev() == named.dev() && ours.ino() == named.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(named.is_file())
    }
}

/// Makes a directory, and those above it, for the owner alone. One that exists keeps its mode.
pub(crate) fn make_directory(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Ok(()) => Ok(()),
        Err(_) if fs::metadata(path).is_ok_and(|found| !found.is_dir()) => {
            Err(StoreError::NotADirectory { path: path.to_owned() })
        }
        Err(cause) => Err(StoreError::new("make", path, cause)),
    }
}

/// Makes a file's name survive a power loss. Windows has no such operation, and needs none.
pub(crate) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    File::open(path).and_then(|dir| dir.sync_all()).at("sync", path)?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Writes all bytes at an offset, whatever was read or written before.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }
    #[cfg(windows)]
    {
        let (mut bytes, mut offset) = (bytes, offset);
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
}

/// Reads from an offset until the buffer is full or the file ends; returns the number of bytes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut buffer[filled..], offset + filled as u64);
        #[cfg(windows)]
        let read =
            std::os::windows::fs::FileExt::seek_read(file, &mut buffer[filled..], offset + filled as u64);
        match read {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            // Windows tells of the end of a file by an error.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
