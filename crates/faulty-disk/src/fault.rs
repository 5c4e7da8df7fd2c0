//! What is done to a disk, what can go wrong with it, and how often each of it did.

use std::collections::BTreeMap;
use std::fmt;

use callrec_simulator::Luck;

/// Something that a disk is asked for, and of what.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// A directory is made.
    MakeDirectory,
    /// A new journal, text or lock is made; journals and texts have a temporary name first.
    Make(What),
    /// What is there is opened.
    Open(What),
    /// A lock is asked for.
    Lock(What),
    /// Bytes are read, or their number.
    Read(What),
    /// Bytes are written.
    Write(What),
    /// A file is cut to a length.
    Cut(What),
    /// A file's bytes are brought to the disk.
    Sync(What),
    /// A file has a new name that nothing else may have.
    RenameToFree(What),
    /// A file has a new name, and may replace another.
    Rename(What),
    /// A file has a second name.
    Link(What),
    /// A name is removed.
    Remove(What),
    /// A directory's names are brought to the disk.
    SyncDirectory(What),
    /// Everything is brought to the disk.
    SyncEverything,
    /// A directory is listed.
    List(What),
    /// It is looked whether a name is taken.
    Look(What),
}

/// Which of the files, as their names tell; of a directory, what was changed in it last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum What {
    Journal,
    Temporary,
    Partial,
    Recording,
    Transcript,
    Summary,
    SummaryJson,
    Lock,
    Attempts,
    Directory,
    Other,
}

impl What {
    /// What the last part of a path says it is.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            name if name.ends_with(".journal") && name != ".journal" => Self::Journal,
            name if name.ends_with(".tmp") => Self::Temporary,
            name if name.ends_with(".partial") => Self::Partial,
            name if name.contains("_conversation") => Self::Recording,
            name if name.ends_with("_summary.txt") => Self::Summary,
            name if name.ends_with("_summary.json") => Self::SummaryJson,
            name if name.ends_with(".txt") => Self::Transcript,
            name if name.ends_with(".lock") => Self::Lock,
            name if name.ends_with(".attempts") => Self::Attempts,
            name if name == ".journal" || !name.contains('.') => Self::Directory,
            _ => Self::Other,
        }
    }
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// The system reports an error of the device.
    Failed,
    /// There is no room.
    Full,
    /// It works, after seconds.
    Stalled,
    /// The kernel or the file system does not know the operation.
    Unknown,
    /// The process is killed before it.
    Killed,
    /// The power goes before it.
    PowerLost,
}

/// How often each fault met each operation.
#[derive(Clone, Default, Debug)]
pub struct Counts(BTreeMap<(Operation, Fault), u64>);

impl Counts {
    /// One more.
    pub fn add(&mut self, operation: Operation, fault: Fault) {
        *self.0.entry((operation, fault)).or_insert(0) += 1;
    }

    /// Those of another disk too.
    pub fn merge(&mut self, other: &Self) {
        for (pair, count) in &other.0 {
            *self.0.entry(*pair).or_insert(0) += count;
        }
    }

    /// How many syncs failed.
    #[must_use]
    pub fn failed_syncs(&self) -> u64 {
        use Operation::{Sync, SyncDirectory, SyncEverything};
        let is_sync = |operation| matches!(operation, Sync(_) | SyncDirectory(_) | SyncEverything);
        let failed = |(operation, fault): &(Operation, Fault)| {
            is_sync(*operation) && matches!(fault, Fault::Failed | Fault::Full)
        };
        self.0.iter().filter(|(pair, _)| failed(pair)).map(|(_, count)| count).sum()
    }

    /// How many different pairs there were.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.0.len()
    }

    /// Whether this fault met this operation.
    #[must_use]
    pub fn has(&self, operation: Operation, fault: Fault) -> bool {
        self.0.contains_key(&(operation, fault))
    }

    /// How often any operation met this fault.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.iter().filter(|((_, met), _)| *met == fault).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Counts {
    /// A line for each operation, a column for each fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Fault::{Failed, Full, Killed, PowerLost, Stalled, Unknown};
        let faults = [Failed, Full, Stalled, Unknown, Killed, PowerLost];
        write!(f, "{:28}", "")?;
        for fault in faults {
            write!(f, "{:>10}", format!("{fault:?}"))?;
        }
        let operations: std::collections::BTreeSet<_> = self.0.keys().map(|pair| pair.0).collect();
        for operation in operations {
            write!(f, "\n{:28}", format!("{operation:?}"))?;
            for fault in faults {
                match self.0.get(&(operation, fault)) {
                    Some(count) => write!(f, "{count:>10}")?,
                    None => write!(f, "{:>10}", ".")?,
                }
            }
        }
        Ok(())
    }
}

/// Which faults a disk has, and how often.
#[derive(Clone, Debug)]
pub struct Faults {
    luck: Luck,
    /// How many operations in a thousand fail, by themselves.
    per_mille: u64,
    /// Operations that go on failing for want of room.
    full_for: u64,
    /// Of nothing but these operations, if there are any.
    only: Vec<Operation>,
    /// Operations that fail each time.
    refused: Vec<Operation>,
}

impl Faults {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::random(0, 0)
    }

    /// So many operations in a thousand, as this seed has it.
    #[must_use]
    pub fn random(seed: u64, per_mille: u64) -> Self {
        Self { luck: Luck::new(seed), per_mille, full_for: 0, only: Vec::new(), refused: Vec::new() }
    }

    /// Each of these operations, each time, and no other.
    #[must_use]
    pub fn refusing(operations: &[Operation]) -> Self {
        Self { refused: operations.to_vec(), ..Self::none() }
    }

    /// Each operation that needs room, each time, and no other.
    #[must_use]
    pub fn full() -> Self {
        Self { full_for: u64::MAX, ..Self::none() }
    }

    /// So many in a thousand of these operations, and of no others.
    #[must_use]
    pub fn of(operations: &[Operation], seed: u64, per_mille: u64) -> Self {
        Self { only: operations.to_vec(), ..Self::random(seed, per_mille) }
    }

    /// What happens to this operation.
    pub(crate) fn draw(&mut self, operation: Operation) -> Option<Fault> {
        use Operation::{Link, Make, MakeDirectory, Rename, RenameToFree, Sync, SyncEverything, Write};
        if self.refused.contains(&operation) {
            return Some(Fault::Failed);
        }
        let needs_room = matches!(operation, Make(_) | MakeDirectory | Write(_) | Link(_));
        if self.full_for > 0 {
            self.full_for -= 1;
            if needs_room {
                return Some(Fault::Full);
            }
        }
        if self.per_mille == 0 || (!self.only.is_empty() && !self.only.contains(&operation)) {
            return None;
        }
        if self.luck.any() % 1000 >= self.per_mille {
            return None;
        }
        let may_be_full =
            needs_room || matches!(operation, Rename(_) | RenameToFree(_) | Sync(_) | SyncEverything);
        Some(match self.luck.between(0, 5) {
            0 | 1 if may_be_full => {
                if needs_room && self.luck.percent(30) {
                    self.full_for = self.luck.between(1, 60);
                }
                Fault::Full
            }
            2 => Fault::Stalled,
            3 if matches!(operation, RenameToFree(_)) => Fault::Unknown,
            _ => Fault::Failed,
        })
    }

    /// A number for whatever is to be decided about a fault.
    pub(crate) fn luck(&mut self) -> &mut Luck {
        &mut self.luck
    }
}
