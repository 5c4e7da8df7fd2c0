//! What `callrec-store` says is on the disk, is; and each of its syncs is needed for that.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_store::{CallId, JournalKey, RecordingsDir, encode_record};

const KEY: JournalKey = JournalKey::new(0x5eed);
const HOME: &str = "/disk/responses";

fn open(disk: &FaultyDisk) -> RecordingsDir {
    RecordingsDir::open_simulated(Arc::new(disk.clone()), HOME).unwrap()
}

fn call() -> CallId {
    CallId::new("CA1").unwrap()
}

/// Does something on a disk; what must be safe then, as path and bytes.
type Promise = fn(&FaultyDisk) -> (String, Vec<u8>);

/// What must have been done before, so that all it needs is safe.
fn prepared() -> FaultyDisk {
    let disk = FaultyDisk::default();
    let dir = open(&disk);
    dir.lock_call(&call()).map(drop).unwrap();
    dir.sync().unwrap();
    disk
}

fn record() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(KEY, 5, 1, b"a frame", &mut bytes).unwrap();
    bytes
}

/// Whether it is safe what was promised; and how many syncs there were.
fn is_kept(disk: &FaultyDisk, promise: Promise, ignored: Option<usize>) -> (bool, Vec<Operation>) {
    let before = disk.syncs().len();
    if let Some(index) = ignored {
        disk.ignore_sync(before + index);
    }
    let (path, bytes) = promise(disk);
    let safe = disk.take_moments().pop().unwrap().all_that_is_safe();
    let kept = safe.files().iter().any(|(found, safe)| *found == path && **safe == bytes);
    (kept, disk.syncs().split_off(before))
}

fn hold(new_disk: fn() -> FaultyDisk, promise: Promise, syncs: usize) {
    let (kept, asked) = is_kept(&new_disk(), promise, None);
    assert!(kept);
    assert_eq!(asked.len(), syncs, "{asked:?}");
    for (index, sync) in asked.iter().enumerate() {
        assert!(!is_kept(&new_disk(), promise, Some(index)).0, "{sync:?} is not needed");
    }
}

fn written(disk: &FaultyDisk, name: &str) -> (String, Vec<u8>) {
    let files = disk.files();
    let (path, bytes) = files.iter().find(|(path, _)| path.ends_with(name)).unwrap();
    (path.clone(), bytes.to_vec())
}

#[test]
fn a_directory_that_was_made_is_safe_with_those_above_it() {
    let promise: Promise = |disk| {
        let dir = open(disk);
        // Nothing but the directories is left to be synced.
        let mut journal = dir.create_journal(&call(), 1, KEY, b"header").unwrap();
        journal.sync().unwrap();
        written(disk, "CA1_1.journal")
    };
    hold(FaultyDisk::default, promise, 5);
}

#[test]
fn a_journal_that_was_synced_is_safe() {
    let promise: Promise = |disk| {
        let dir = RecordingsDir::open_simulated(Arc::new(disk.clone()), HOME).unwrap();
        let mut journal = dir.create_journal(&call(), 1, KEY, b"header").unwrap();
        journal.append(&record()).unwrap();
        dir.sync().unwrap();
        written(disk, "CA1_1.journal")
    };
    let (kept, asked) = is_kept(&prepared(), promise, None);
    assert!(kept);
    let everything = asked.iter().position(|sync| *sync == Operation::SyncEverything);
    assert!(!is_kept(&prepared(), promise, everything).0);
}

#[test]
fn a_journal_that_was_found_and_synced_is_safe() {
    let killed = || {
        let disk = prepared();
        let mut journal = open(&disk).create_journal(&call(), 1, KEY, b"header").unwrap();
        journal.append(&record()).unwrap();
        disk.take_moments().pop().unwrap().after_kill()
    };
    let promise: Promise = |disk| {
        let journal = open(disk).free_journals().unwrap().remove(0).lock().unwrap().unwrap();
        journal.sync().unwrap();
        written(disk, "CA1_1.journal")
    };
    let (kept, asked) = is_kept(&killed(), promise, None);
    assert!(kept);
    // The first two are of the directories.
    assert_eq!(asked.len(), 4);
    assert!((2..4).all(|index| !is_kept(&killed(), promise, Some(index)).0));
}

#[test]
fn a_recording_that_was_published_is_safe() {
    let promise: Promise = |disk| {
        let mut partial = open(disk).create_partial(&call(), 1, "wav").unwrap();
        partial.write(b"audio").unwrap();
        partial.sync().unwrap();
        partial.patch(0, b"A").unwrap();
        partial.publish().unwrap();
        ("/disk/responses/call_CA1_conversation.wav".to_owned(), b"Audio".to_vec())
    };
    let (kept, asked) = is_kept(&prepared(), promise, None);
    assert!(kept);
    assert_eq!(asked.len(), 5, "the directories, the file before and after it was changed, its name");
    assert!((3..5).all(|index| !is_kept(&prepared(), promise, Some(index)).0));
}

#[test]
fn a_file_that_is_synced_is_not_synced_again_to_be_published() {
    let promise: Promise = |disk| {
        let mut partial = open(disk).create_partial(&call(), 1, "wav").unwrap();
        partial.write(b"audio").unwrap();
        partial.sync().unwrap();
        partial.publish().unwrap();
        ("/disk/responses/call_CA1_conversation.wav".to_owned(), b"audio".to_vec())
    };
    let (kept, asked) = is_kept(&prepared(), promise, None);
    assert!(kept);
    assert_eq!(asked.len(), 4);
    assert!((2..4).all(|index| !is_kept(&prepared(), promise, Some(index)).0));
}

#[test]
fn a_partial_file_that_was_there_when_a_sync_of_everything_failed_is_never_published() {
    let disk = prepared();
    let dir = open(&disk);
    let mut partial = dir.create_partial(&call(), 1, "wav").unwrap();
    partial.write(b"audio").unwrap();
    disk.set_faults(Faults::refusing(&[Operation::SyncEverything]));
    dir.sync().unwrap_err();
    disk.set_faults(Faults::none());
    assert!(partial.sync().unwrap_err().to_string().contains("a sync of everything failed"));
    // Whatever later ones say.
    dir.sync().unwrap();
    partial.sync().unwrap_err();
    let partial = partial.publish().unwrap_err().into_partial().expect("it is handed back");
    partial.discard().unwrap();
    let mut next = dir.create_partial(&call(), 1, "wav").unwrap();
    next.write(b"audio").unwrap();
    next.publish().unwrap();
}

#[test]
fn a_journal_that_is_set_aside_by_a_link_has_no_second_name_when_the_first_can_be_removed() {
    let disk = prepared();
    disk.lack(true, false);
    let dir = open(&disk);
    drop(dir.create_journal(&call(), 1, KEY, b"header").unwrap());
    let names = || {
        let files = disk.files().into_iter().map(|(path, _)| path).filter(|path| path.contains("CA1_1"));
        files.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let set_aside = || dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap().set_aside();
    disk.set_faults(Faults::refusing(&[Operation::Remove(What::Journal)]));
    for _ in 0..2 {
        assert!(set_aside().is_err());
        assert_eq!(names(), ["CA1_1.journal", "CA1_1.journal.bad"]);
    }
    disk.set_faults(Faults::none());
    assert!(set_aside().unwrap().ends_with("CA1_1.journal.bad"));
    assert_eq!(names(), ["CA1_1.journal.bad"]);
}

#[test]
fn the_name_of_a_journal_that_was_set_aside_is_safe() {
    let promise: Promise = |disk| {
        let mut journal = open(disk).create_journal(&call(), 1, KEY, b"header").unwrap();
        journal.append(&record()).unwrap();
        journal.sync().unwrap();
        journal.set_aside().unwrap();
        written(disk, "CA1_1.journal.bad")
    };
    let (kept, asked) = is_kept(&prepared(), promise, None);
    assert!(kept);
    assert!(!is_kept(&prepared(), promise, Some(asked.len() - 1)).0);
}

#[test]
fn a_text_that_was_written_is_safe() {
    let promise: Promise = |disk| {
        open(disk).write_atomic("call_CA1.txt", b"words").unwrap();
        ("/disk/responses/call_CA1.txt".to_owned(), b"words".to_vec())
    };
    let (kept, asked) = is_kept(&prepared(), promise, None);
    assert!(kept);
    assert_eq!(asked.len(), 4);
    assert!((2..4).all(|index| !is_kept(&prepared(), promise, Some(index)).0));
}

#[test]
fn a_journal_that_could_not_be_made_leaves_nothing_behind() {
    let (mut made, mut refused) = (0, 0);
    for seed in 0..200 {
        let disk = prepared();
        let dir = open(&disk);
        disk.set_faults(Faults::of(&[Operation::Look(What::Recording)], seed, 100));
        match dir.create_journal(&call(), 1, KEY, b"header") {
            Ok(journal) => {
                assert_eq!(journal.number(), 1, "seed {seed}");
                made += 1;
            }
            Err(_) => {
                let left = disk.files().into_iter().filter(|(path, _)| !path.ends_with(".lock"));
                assert_eq!(left.count(), 0, "seed {seed}");
                refused += 1;
            }
        }
    }
    assert!(made > 0 && refused > 0);
}
