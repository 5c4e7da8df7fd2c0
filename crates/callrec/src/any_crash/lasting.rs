//! Faults that stay for a whole recovery, at a start behind a crash: what cannot be finished then is kept, and told to be left.

use callrec_faulty_disk::{Faults, FaultyDisk, Moment, Operation, What};
use callrec_simulator::Luck;
use callrec_summary::parse_json;

use super::due::Due;
use super::life::{HOME, Life, Stood, recover_on};
use super::verdict::judge;

use Operation::{
    Link, List, Lock, Make, Open, Read, Remove, Rename, RenameToFree, Sync, SyncDirectory, Write,
};

/// What may be refused throughout.
const REFUSED: [&[Operation]; 26] = [
    &[Make(What::Partial)],
    &[Write(What::Partial)],
    &[Sync(What::Partial)],
    &[Read(What::Partial)],
    &[Open(What::Partial)],
    &[RenameToFree(What::Recording), Link(What::Recording)],
    &[RenameToFree(What::Recording), Link(What::Recording), Remove(What::Partial)],
    &[SyncDirectory(What::Recording)],
    &[Read(What::Recording)],
    &[Make(What::Temporary)],
    &[Write(What::Temporary)],
    &[Sync(What::Temporary)],
    &[Rename(What::Transcript)],
    &[Rename(What::Summary)],
    &[Rename(What::SummaryJson)],
    &[Read(What::SummaryJson)],
    &[Make(What::Lock), Open(What::Lock)],
    &[Lock(What::Lock)],
    &[Open(What::Journal)],
    &[Lock(What::Journal)],
    &[Read(What::Journal)],
    &[Sync(What::Journal)],
    &[Remove(What::Journal)],
    &[Remove(What::Partial), Remove(What::Temporary)],
    &[Remove(What::Journal), Remove(What::Partial), Remove(What::Temporary)],
    &[List(What::Directory)],
];

/// A disk that is full from the first to the last, or refuses something.
fn any(luck: &mut Luck) -> Faults {
    let refused = REFUSED.get(luck.between(0, REFUSED.len() as u64 + 4) as usize);
    refused.map_or_else(Faults::full, |operations| Faults::refusing(operations))
}

/// Recovers while the disk refuses something throughout, and looks whether a recovery on a well disk makes of what that left all that
/// is due; gives the moments of the first.
pub(super) fn recover(
    life: &Life,
    disk: &FaultyDisk,
    due: &[Due],
    forgot: bool,
    luck: &mut Luck,
) -> Result<Vec<Moment>, String> {
    let faults = any(luck);
    let why = |why| format!("after a recovery with {faults:?}: {why}");
    disk.set_faults(faults.clone());
    disk.keep_moments();
    let stood = recover_on(disk);
    let moments = disk.take_moments();
    if let Some(last) = moments.last() {
        is_told(disk, stood).and_then(|()| is_there(disk)).map_err(why)?;
        let (disk, forgot) = (last.after_kill(), forgot || disk.counts().failed_syncs() > 0);
        recover_on(&disk);
        judge(life, &disk, due, forgot).map_err(why)?;
    }
    Ok(moments)
}

/// Whether what the summaries say is recorded is there.
fn is_there(disk: &FaultyDisk) -> Result<(), String> {
    let files = disk.files();
    let recordings = |json: &[u8]| {
        let streams = parse_json(json).map(|summary| summary.streams).unwrap_or_default();
        streams.into_iter().filter_map(|stream| stream.audio.file().cloned()).collect::<Vec<_>>()
    };
    let summaries = files.iter().filter(|(path, _)| path.ends_with("_summary.json"));
    for file in summaries.flat_map(|(_, json)| recordings(json)) {
        let path = format!("{HOME}/{}", file.file_name);
        if !files.iter().any(|(found, bytes)| *found == path && bytes.len() as u64 == file.size_bytes) {
            return Err(format!("{path} is not there, or has another length than its summary says"));
        }
    }
    Ok(())
}

/// Whether the recorder knows that a journal is left, which is to be tried again.
fn is_told(disk: &FaultyDisk, stood: Stood) -> Result<(), String> {
    let is_left = disk.files().iter().any(|(path, _)| path.ends_with(".journal"));
    match is_left && stood == Stood::AllDone {
        true => Err("a journal is left, and is not tried again".to_owned()),
        false => Ok(()),
    }
}
