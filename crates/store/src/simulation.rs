//! What a simulated disk has to do. For tests of this workspace alone: nothing here is promised to anybody.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

pub use crate::disk::{Kind, Opening};
use crate::{JournalReader, StoreError, disk};

/// A reader of the journal that has these bytes, without any disk. `file` is asked for them as a file is.
///
/// # Errors
/// As those of [`JournalReader::open`], but that there is a file.
pub fn read_journal(file: impl File + 'static) -> Result<JournalReader, StoreError> {
    let file = disk::File::Simulated { file: Box::new(file), at: 0 };
    JournalReader::new(Arc::new(file), "simulated".into())
}

/// A disk with directories and files. Errors are those that a system would give.
#[allow(missing_docs, reason = "each is the system's operation of this name")]
pub trait Disk: Debug + Send + Sync {
    fn unique(&self) -> u64;
    fn open(&self, path: &Path, opening: Opening) -> io::Result<Box<dyn File>>;
    fn kind(&self, path: &Path) -> io::Result<Kind>;
    fn list(&self, path: &Path) -> io::Result<Vec<(String, Kind)>>;
    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>>;
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn rename_to_free_name(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn free_space(&self, path: &Path) -> io::Result<u64>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Whether there is one sync for everything.
    fn syncs_all(&self) -> bool;
    fn sync_everything(&self) -> io::Result<()>;
}

/// An open file of a simulated disk. Dropping it gives its lock up.
#[allow(missing_docs, reason = "each is the system's operation of this name")]
#[allow(clippy::len_without_is_empty, reason = "it asks a disk, which may refuse")]
pub trait File: Debug + Send + Sync {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    fn try_lock(&self) -> io::Result<bool>;
    /// Whether it is what has the name now.
    fn is_at(&self, path: &Path) -> io::Result<bool>;
}
