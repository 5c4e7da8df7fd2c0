//! Which faults must have met which operations before the suite may say that nothing is lost.

use callrec_faulty_disk::{Counts, Fault, Operation, What};

use Fault::{Failed, Full, Killed, PowerLost, Stalled, Unknown};
use Operation::{
    Cut, Link, List, Lock, Look, Make, MakeDirectory, Open, Read, Remove, Rename, RenameToFree, Sync,
    SyncDirectory, SyncEverything, Write,
};

/// Operations of which a life has few; there are lives in which nothing but these fail.
pub(super) const RARE: [&[Operation]; 9] = [
    &[SyncEverything],
    &[Write(What::Journal)],
    &[Sync(What::Partial)],
    &[RenameToFree(What::Journal)],
    &[RenameToFree(What::Recording)],
    &[Rename(What::SummaryJson)],
    &[Remove(What::Journal)],
    &[SyncDirectory(What::Recording)],
    // It is looked what is there when it cannot be made.
    &[Make(What::Lock), Look(What::Lock)],
];

/// How many different pairs there must be.
pub(super) const AT_LEAST: usize = 160;

/// Each of these operations must have met each of these faults. Others come and go with every change of what is done in which order.
const NEEDED: &[(&[Operation], &[Fault])] = &[
    (&[MakeDirectory, Make(What::Lock), Rename(What::SummaryJson)], &[Failed, Full, Killed, PowerLost]),
    (
        &[
            Make(What::Temporary),
            Make(What::Partial),
            Write(What::Journal),
            Write(What::Temporary),
            Write(What::Partial),
            Sync(What::Journal),
            Sync(What::Temporary),
            Sync(What::Partial),
        ],
        &[Failed, Full, Stalled, Killed, PowerLost],
    ),
    (
        &[
            Open(What::Journal),
            Open(What::Temporary),
            Open(What::Partial),
            Open(What::SummaryJson),
            Open(What::Lock),
            Lock(What::Journal),
            Lock(What::Temporary),
            Lock(What::Partial),
            Lock(What::Lock),
            Read(What::Journal),
            Read(What::Partial),
            Read(What::Recording),
            Read(What::SummaryJson),
            List(What::Directory),
            Look(What::Journal),
            Look(What::Temporary),
            Look(What::Partial),
            Look(What::Recording),
            Look(What::Directory),
        ],
        &[Failed, Stalled],
    ),
    (&[Open(What::Recording), Lock(What::Recording), Look(What::Lock)], &[Failed]),
    (
        &[
            Cut(What::Journal),
            Rename(What::Temporary),
            Link(What::Recording),
            Link(What::Other),
            SyncDirectory(What::Temporary),
            SyncDirectory(What::Attempts),
        ],
        &[PowerLost],
    ),
    (&[RenameToFree(What::Journal), RenameToFree(What::Other)], &[Unknown, Killed, PowerLost]),
    (&[RenameToFree(What::Recording)], &[Failed, Full, Unknown, Killed, PowerLost]),
    (
        &[
            Rename(What::Transcript),
            Rename(What::Summary),
            Remove(What::Temporary),
            Remove(What::Partial),
            SyncDirectory(What::Partial),
            SyncDirectory(What::Directory),
            SyncDirectory(What::Other),
        ],
        &[Failed, Stalled, Killed, PowerLost],
    ),
    (&[Link(What::Journal)], &[Killed, PowerLost]),
    (&[Make(What::Attempts), Write(What::Attempts), Remove(What::Attempts)], &[Failed, Killed, PowerLost]),
    (
        &[
            Remove(What::Journal),
            SyncDirectory(What::Recording),
            SyncDirectory(What::Transcript),
            SyncDirectory(What::Summary),
            SyncDirectory(What::SummaryJson),
            SyncEverything,
        ],
        &[Failed, Killed, PowerLost],
    ),
];

/// Those that are needed and did not happen.
pub(super) fn missing(counts: &Counts) -> Vec<(Operation, Fault)> {
    let each = |(operations, faults): &'static (&[Operation], &[Fault])| {
        operations.iter().flat_map(|operation| faults.iter().map(|fault| (*operation, *fault)))
    };
    NEEDED.iter().flat_map(each).filter(|(operation, fault)| !counts.has(*operation, *fault)).collect()
}
