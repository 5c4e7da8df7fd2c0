//! What the disk forgets and what it keeps.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callrec_faulty_disk::{Faults, FaultyDisk, Operation, What};
use callrec_store::simulation::{Disk, Opening};

/// The states that a power loss may leave now, as path and text.
fn left(disk: &FaultyDisk) -> BTreeSet<Vec<(String, String)>> {
    let moment = disk.take_moments().pop().unwrap();
    let text = |(path, bytes): (String, std::sync::Arc<Vec<u8>>)| {
        (path, String::from_utf8_lossy(&bytes).into_owned())
    };
    (0..300).map(|seed| moment.after_power_loss(seed).files().into_iter().map(text).collect()).collect()
}

fn state(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn write(disk: &FaultyDisk, name: &str, text: &str) -> Box<dyn callrec_store::simulation::File> {
    let file = disk.open(Path::new(name), Opening::OrNew).unwrap();
    file.write_all_at(text.as_bytes(), 0).unwrap();
    file
}

fn sync_names(disk: &FaultyDisk) {
    disk.sync_directory(Path::new("/")).unwrap();
}

#[test]
fn what_no_sync_covered_is_there_or_not_or_in_part() {
    let disk = FaultyDisk::default();
    let file = write(&disk, "/a.txt", "old");
    let states = left(&disk);
    assert!(states.contains(&state(&[])), "the name is gone");
    for part in ["", "o", "ol", "old", "\0\0\0"] {
        assert!(states.contains(&state(&[("/a.txt", part)])), "{part:?}");
    }
    file.sync().unwrap();
    assert!(left(&disk).contains(&state(&[])), "a sync of the file does nothing for its name");
    sync_names(&disk);
    assert_eq!(left(&disk), BTreeSet::from([state(&[("/a.txt", "old")])]));
}

#[test]
fn a_name_that_is_replaced_has_the_old_file_or_the_new_one_and_the_first_name_may_be_left() {
    let disk = FaultyDisk::default();
    write(&disk, "/a.txt", "old").sync().unwrap();
    write(&disk, "/b.tmp", "new").sync().unwrap();
    sync_names(&disk);
    disk.rename(Path::new("/b.tmp"), Path::new("/a.txt")).unwrap();
    let expected = [
        state(&[("/a.txt", "old"), ("/b.tmp", "new")]),
        state(&[("/a.txt", "new")]),
        state(&[("/a.txt", "new"), ("/b.tmp", "new")]),
        state(&[("/a.txt", "old")]),
    ];
    assert_eq!(left(&disk), BTreeSet::from(expected));
    sync_names(&disk);
    assert_eq!(left(&disk), BTreeSet::from([state(&[("/a.txt", "new")])]));
}

#[test]
fn what_a_failed_sync_forgot_can_be_read_and_no_later_sync_brings_it_back() {
    let disk = FaultyDisk::default();
    let file = write(&disk, "/a.txt", "old");
    sync_names(&disk);
    file.sync().unwrap();
    file.write_all_at(b"new", 0).unwrap();
    disk.set_faults(Faults::of(&[Operation::Sync(What::Transcript)], 1, 1_000));
    while file.sync().is_ok() {}
    disk.set_faults(Faults::none());
    file.sync().unwrap();
    disk.sync_everything().unwrap();
    assert_eq!(disk.files()[0].1.as_slice(), b"new");
    assert_eq!(left(&disk), BTreeSet::from([state(&[("/a.txt", "old")])]));
}

#[test]
fn a_sync_of_everything_covers_what_was_there_when_it_began() {
    let disk = FaultyDisk::default();
    write(&disk, "/a.txt", "a");
    disk.set_sync_us(300_000);
    let writer = disk.clone();
    disk.set_meanwhile(move || drop(write(&writer, "/b.txt", "b")));
    disk.sync_everything().unwrap();
    disk.clear_meanwhile();
    assert_eq!(disk.now_us(), 300_000);
    let states = left(&disk);
    assert!(states.contains(&state(&[("/a.txt", "a")])));
    assert!(states.iter().all(|files| files[0] == ("/a.txt".to_owned(), "a".to_owned())));
}

#[test]
fn others_have_their_turn_before_each_operation_but_not_while_a_call_is_locked() {
    let disk = FaultyDisk::default();
    let lock = write(&disk, "/calls-01.lock", "");
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    disk.set_between(move || {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    assert!(lock.try_lock().unwrap());
    assert_eq!(turns.load(Ordering::Relaxed), 1);
    disk.sync_everything().unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 1, "who waits for the lock would wait for ever");
    drop(lock);
    disk.sync_everything().unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 2);
    disk.clear_meanwhile();
    disk.sync_everything().unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 2);
}

#[test]
fn a_killed_process_leaves_all_it_wrote_and_no_lock() {
    let disk = FaultyDisk::default();
    let file = write(&disk, "/a.txt", "a");
    assert!(file.try_lock().unwrap());
    let open = |disk: &FaultyDisk| disk.open(Path::new("/a.txt"), Opening::ReadWrite).unwrap();
    assert!(!open(&disk).try_lock().unwrap());
    let next = disk.take_moments().pop().unwrap().after_kill();
    assert!(open(&next).try_lock().unwrap());
    assert_eq!(next.files()[0].1.as_slice(), b"a");
    drop(file);
    assert!(open(&disk).try_lock().unwrap());
}

#[test]
fn a_file_that_has_a_final_name_and_other_bytes_is_torn() {
    let disk = FaultyDisk::default();
    drop(write(&disk, "/a.tmp", "whole"));
    disk.rename(Path::new("/a.tmp"), Path::new("/a.txt")).unwrap();
    assert!(disk.torn().is_empty());
    write(&disk, "/a.txt", "w");
    assert!(disk.torn().is_empty(), "the same bytes");
    write(&disk, "/a.txt", "h");
    assert_eq!(disk.torn(), ["/a.txt"]);
}
