//! What is on the disk, and what is only in memory yet.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of a file or directory.
pub(crate) type Id = usize;

/// The directory at the top, which was always there.
pub(crate) const ROOT: Id = 0;

#[derive(Clone, Debug)]
pub(crate) enum Node {
    File(FileNode),
    Directory(DirectoryNode),
}

/// A change of a file's bytes that no sync has covered.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: usize, bytes: Arc<[u8]> },
    Cut { len: usize },
}

impl Change {
    /// Makes the change, or the beginning of it.
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes: written } => write(bytes, *offset, written),
            Self::Cut { len } => bytes.resize(*len, 0),
        }
    }
}

pub(crate) fn write(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

#[derive(Clone, Default, Debug)]
pub(crate) struct FileNode {
    /// As it can be read.
    pub(crate) cached: Arc<Vec<u8>>,
    /// As the disk has it.
    pub(crate) durable: Arc<Vec<u8>>,
    /// With the number of each change.
    pub(crate) pending: Vec<(u64, Change)>,
    /// When it was written last, in microseconds of the simulated clock.
    pub(crate) modified_us: u64,
}

impl FileNode {
    pub(crate) fn change(&mut self, order: u64, change: Change, now_us: u64) {
        change.apply(Arc::make_mut(&mut self.cached));
        self.pending.push((order, change));
        self.modified_us = now_us;
    }

    /// The changes with numbers below this one are on the disk from here on.
    pub(crate) fn sync(&mut self, below: u64) {
        let covered = self.pending.partition_point(|(order, _)| *order < below);
        if covered > 0 {
            let durable = Arc::make_mut(&mut self.durable);
            self.pending.drain(..covered).for_each(|(_, change)| change.apply(durable));
        }
    }

    /// A sync failed: what it was to write is forgotten, though it can be read.
    pub(crate) fn forget(&mut self) {
        self.pending.clear();
    }
}

/// A change of a name that no sync has covered.
#[derive(Clone, Debug)]
pub(crate) struct Renaming {
    /// Changes are numbered in the order in which they are made, in all directories.
    pub(crate) order: u64,
    pub(crate) name: String,
    pub(crate) to: Option<Id>,
}

#[derive(Clone, Default, Debug)]
pub(crate) struct DirectoryNode {
    pub(crate) cached: BTreeMap<String, Id>,
    pub(crate) durable: BTreeMap<String, Id>,
    pub(crate) pending: Vec<Renaming>,
}

impl DirectoryNode {
    pub(crate) fn set(&mut self, order: u64, name: &str, to: Option<Id>) {
        put(&mut self.cached, name, to);
        self.pending.push(Renaming { order, name: name.to_owned(), to });
    }

    /// The changes with numbers below this one are on the disk from here on.
    pub(crate) fn sync(&mut self, below: u64) {
        let Self { durable, pending, .. } = self;
        pending.retain(|change| {
            if change.order < below {
                put(durable, &change.name, change.to);
            }
            change.order >= below
        });
    }
}

pub(crate) fn put(names: &mut BTreeMap<String, Id>, name: &str, to: Option<Id>) {
    match to {
        Some(id) => names.insert(name.to_owned(), id),
        None => names.remove(name),
    };
}
