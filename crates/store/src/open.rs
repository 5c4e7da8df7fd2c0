//! How files are opened, read and written: no links followed, positions given with every access.

use std::io;
use std::path::{Path, PathBuf};

use crate::dir::Readers;
use crate::disk::{Disk, File, Kind, Opening};
use crate::error::{At, StoreError};

/// Opens a regular file to read; none if there is no such file.
pub(crate) fn read(disk: &Disk, path: &Path) -> Result<Option<File>, StoreError> {
    regular(disk, path, Opening::Read)
}

/// Opens a regular file to read and write; none if there is no such file.
pub(crate) fn read_write(disk: &Disk, path: &Path) -> Result<Option<File>, StoreError> {
    regular(disk, path, Opening::ReadWrite)
}

fn regular(disk: &Disk, path: &Path, opening: Opening) -> Result<Option<File>, StoreError> {
    let file = match disk.open(path, opening) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            // A link is refused by the system in different words on different systems.
            let link = disk.kind(path).is_ok_and(|found| found != Kind::File);
            return Err(match link {
                true => StoreError::NotAFile { path: path.to_owned() },
                false => StoreError::new("open", path, cause),
            });
        }
    };
    // Where the system has no way to refuse a link while opening, this is the next best.
    let link = cfg!(not(unix)) && disk.kind(path).at("look at", path)? == Kind::Link;
    if link || !file.is_regular().at("look at", path)? {
        return Err(StoreError::NotAFile { path: path.to_owned() });
    }
    Ok(Some(file))
}

/// Opens a lock file, made if missing.
pub(crate) fn lock_file(disk: &Disk, path: &Path) -> Result<File, StoreError> {
    let opened = regular(disk, path, Opening::OrNew)?;
    opened.ok_or_else(|| StoreError::new("make", path, io::ErrorKind::NotFound.into()))
}

/// A new file with an unused name, locked by us: until it is renamed or removed, nobody takes it for an abandoned one.
pub(crate) fn locked_temporary(
    disk: &Disk,
    dir: &Path,
    name: impl Fn(u64) -> String,
) -> Result<(File, PathBuf), StoreError> {
    loop {
        let path = dir.join(name(disk.unique()));
        let file = match disk.open(&path, Opening::New) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(cause) => return Err(StoreError::new("make", &path, cause)),
        };
        // A clean-up may have seen the file before it was locked, and have removed it.
        match try_lock(&file, &path).and_then(|ours| Ok(ours && is_file_at(disk, &file, &path)?)) {
            Ok(true) => return Ok((file, path)),
            Ok(false) => {}
            Err(error) => {
                let _ = disk.remove(&path);
                return Err(error);
            }
        }
    }
}

/// Locks a file if nobody else has.
pub(crate) fn try_lock(file: &File, path: &Path) -> Result<bool, StoreError> {
    loop {
        match file.try_lock() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            locked => return locked.at("lock", path),
        }
    }
}

/// Whether the path still leads to this open file: another process may have finished and removed it meanwhile.
pub(crate) fn is_file_at(disk: &Disk, file: &File, path: &Path) -> Result<bool, StoreError> {
    disk.is_at(file, path).at("look at", path)
}

/// Makes a directory, and those above it, for the owner alone. One that exists keeps its mode.
pub(crate) fn make_directory(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    match disk.make_directory(path) {
        Ok(()) => Ok(()),
        Err(cause) => Err(match disk.kind(path) {
            Ok(Kind::File | Kind::Link | Kind::Other) => StoreError::NotADirectory { path: path.to_owned() },
            _ => StoreError::new("make", path, cause),
        }),
    }
}

/// As [`make_directory`], and a power loss does not take it away again: each directory is safe before there is one in it.
/// Those that are made let the group in, if it is to read.
pub(crate) fn make_lasting_directory(disk: &Disk, path: &Path, readers: Readers) -> Result<(), StoreError> {
    let is_missing = disk.kind(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if let Some(above) = above(path).filter(|_| is_missing) {
        make_lasting_directory(disk, above, readers)?;
    }
    make_directory_in_lasting(disk, path)?;
    if is_missing && readers == Readers::Group {
        disk.let_group_in(path).at("let the group into", path)?;
    }
    Ok(())
}

/// Makes a directory in one that is safe.
pub(crate) fn make_directory_in_lasting(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    let is_new = disk.kind(path).is_err();
    make_directory(disk, path)?;
    match above(path).map_or(Ok(()), |above| sync_directory(disk, above)) {
        // Not everybody may open what is above.
        Err(StoreError::NotWritable { .. }) => Ok(()),
        // Its maker may have been killed before this sync; but most likely it is long done.
        Err(_) if !is_new => Ok(()),
        synced => synced,
    }
}

fn above(path: &Path) -> Option<&Path> {
    path.parent().map(|above| if above == Path::new("") { Path::new(".") } else { above })
}

/// Makes a file's name survive a power loss.
pub(crate) fn sync_directory(disk: &Disk, path: &Path) -> Result<(), StoreError> {
    disk.sync_directory(path).at("sync", path)
}

/// Writes all bytes at an offset, whatever was read or written before.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Reads from an offset until the buffer is full or the file ends; returns the number of bytes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
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
