//! An open file: the system's, or in tests a simulated one.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};

#[cfg(unix)]
use super::permit;
#[cfg(feature = "simulation")]
use crate::simulation;

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
