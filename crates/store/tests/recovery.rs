//! What is free, what is owned, and what is cleaned up.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;

use callrec_store::{CallId, JournalKey, RecordingsDir};

const KEY: JournalKey = JournalKey::new(0x5eed);

fn call(name: &str) -> CallId {
    CallId::new(name).unwrap()
}

#[test]
fn journals_are_listed_by_call_and_number_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    for (name, number) in [("b", 10), ("b", 2), ("a_1", 1), ("a", 3)] {
        dir.create_journal(&call(name), number, KEY, b"").unwrap();
    }
    let inside = home.path().join(".journal");
    for other in
        ["x.journal", "x_0.journal", "x_01.journal", "x_+1.journal", ".x_1.journal", "x_1.journal.bad", "_1"]
    {
        fs::write(inside.join(other), "").unwrap();
    }
    fs::create_dir(inside.join("d_1.journal")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("b_2.journal", inside.join("l_1.journal")).unwrap();
    let found: Vec<_> =
        dir.free_journals().unwrap().iter().map(|free| (free.call().to_string(), free.number())).collect();
    assert_eq!(found, [("a".into(), 3), ("a_1".into(), 1), ("b".into(), 2), ("b".into(), 10)]);
}

#[test]
fn a_journal_is_owned_by_one_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let writer = dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap();
    let other = RecordingsDir::open(home.path()).unwrap();
    let free = || other.free_journals().unwrap().remove(0);
    assert!(free().lock().unwrap().is_none(), "its writer lives");
    let reader = writer.reader().unwrap();
    drop(writer);
    assert!(free().lock().unwrap().is_none(), "a reader of the writer lives");
    drop(reader);
    let locked = free().lock().unwrap().unwrap();
    assert!(free().lock().unwrap().is_none(), "another recovery has it");
    let listed = free();
    locked.remove().unwrap();
    assert!(listed.lock().unwrap().is_none(), "it was finished after it was listed");
    assert!(other.free_journals().unwrap().is_empty());
}

#[test]
fn a_journal_removed_and_made_again_after_listing_belongs_to_its_new_owner() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    dir.create_journal(&call("CA1"), 1, KEY, b"old").unwrap();
    let listed = dir.free_journals().unwrap().remove(0);
    listed.clone().lock().unwrap().unwrap().remove().unwrap();
    let new = dir.create_journal(&call("CA1"), 1, KEY, b"new").unwrap();
    assert!(listed.lock().unwrap().is_none());
    assert!(new.path().exists());
}

#[test]
fn recoveries_that_meet_take_each_journal_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    for round in 0..40 {
        for number in 1..=10 {
            dir.create_journal(&call("CA1"), number, KEY, b"").unwrap();
        }
        let taken: usize = std::thread::scope(|scope| {
            let recover = || {
                let free = RecordingsDir::open(home.path()).unwrap().free_journals().unwrap();
                let mut taken = 0;
                for journal in free.into_iter().filter_map(|free| free.lock().unwrap()) {
                    journal.remove().unwrap();
                    taken += 1;
                }
                taken
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(recover)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 10, "round {round}");
    }
}

#[test]
fn a_journal_set_aside_is_kept_but_not_found_and_its_number_stays_taken() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap();
    let aside = dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap().set_aside().unwrap();
    assert!(aside.ends_with(".journal/CA1_1.journal.bad"));
    assert!(dir.free_journals().unwrap().is_empty());
    assert_eq!(dir.clean_up().unwrap().removed, 0);
    assert_eq!(dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap().number(), 2);
}

#[test]
fn clean_up_takes_what_is_abandoned_and_leaves_what_is_owned() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let inside = home.path().join(".journal");
    let owned = dir.create_partial(&call("CA1"), 1, "mp3").unwrap();
    let journal = dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap();
    drop(dir.lock_call(&call("CA1")).unwrap());
    for stale in ["CA2_1.mp3.0123456789abcdef.partial", "0123456789abcdef.tmp"] {
        fs::write(inside.join(stale), "half").unwrap();
    }
    assert_eq!(dir.clean_up().unwrap().removed, 2);
    assert_eq!(dir.clean_up().unwrap().removed, 0);
    assert!(owned.path().exists() && journal.path().exists());
    let path = owned.path().to_owned();
    drop(owned);
    assert!(!path.exists(), "a partial file that is given up is removed at once");
}

#[test]
fn clean_up_never_takes_a_file_from_those_who_are_making_them() {
    let home = tempfile::tempdir().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4)
            .map(|thread| {
                let dir = RecordingsDir::open(home.path()).unwrap();
                scope.spawn(move || {
                    for number in 1..=150 {
                        let call = call(&format!("CA{thread}"));
                        dir.write_atomic(&format!("call_CA{thread}.txt"), b"text").unwrap();
                        let mut partial = dir.create_partial(&call, number, "wav").unwrap();
                        partial.write(b"audio").unwrap();
                        assert_eq!(fs::read(partial.publish().unwrap()).unwrap(), b"audio");
                    }
                })
            })
            .collect();
        let cleaner = scope.spawn(|| {
            let dir = RecordingsDir::open(home.path()).unwrap();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                dir.clean_up().unwrap();
            }
        });
        let made: Vec<_> = makers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(made.iter().all(Result::is_ok), "a maker lost its file");
        cleaner.join().unwrap();
    });
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 4 * 150 + 4 + 1);
}

#[test]
fn attempts_count_until_one_is_over_and_go_with_their_journal() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let inside = home.path().join(".journal");
    let marks = || {
        let names = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names.filter(|name| name.ends_with(".attempts")).collect::<Vec<_>>()
    };
    let locked = |number| {
        drop(dir.create_journal(&call("CA1"), number, KEY, b"").unwrap());
        dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap()
    };
    let journal = locked(1);
    let unended = |by| journal.unended_attempts(by).unwrap();
    assert_eq!(unended("one"), 0);
    for count in 1..=3 {
        // What ends the process drops nothing.
        std::mem::forget(journal.begin_attempt("one").unwrap());
        assert_eq!((unended("one"), unended("another"), unended("on")), (count, 0, 0));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(inside.join("CA1_1.attempts")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    journal.begin_attempt("another").unwrap().let_stand();
    assert_eq!((unended("one"), unended("another")), (3, 1));
    assert_eq!(dir.clean_up().unwrap().removed, 0, "its journal is there");
    drop(journal.begin_attempt("one").unwrap());
    assert_eq!((unended("one"), unended("another")), (3, 1), "the process goes on, and that is all");
    journal.begin_attempt("one").unwrap().over();
    assert_eq!((unended("one"), unended("another"), marks().len()), (0, 0, 0), "it came to its end");
    drop(journal.begin_attempt("one").unwrap());
    assert!(marks().is_empty());
    // It grows to no length.
    (0..2_000).for_each(|_| journal.begin_attempt("one").unwrap().let_stand());
    assert_eq!(unended("one"), 1_024);
    assert!(fs::metadata(inside.join("CA1_1.attempts")).unwrap().len() <= 4_096);

    assert_eq!(marks(), ["CA1_1.attempts"]);
    journal.remove().unwrap();
    assert!(marks().is_empty());
    let damaged = locked(2);
    damaged.begin_attempt("one").unwrap().let_stand();
    damaged.set_aside().unwrap();
    assert!(marks().is_empty());
    // That of a journal that went without it is cleaned up, and nothing that is only like one.
    for name in ["CA1_7.attempts", "CA1_07.attempts", "CA1.attempts"] {
        fs::write(inside.join(name), "one\n").unwrap();
    }
    assert_eq!(dir.clean_up().unwrap().removed, 1);
    assert!(!marks().contains(&"CA1_7.attempts".to_owned()) && marks().len() == 2);
}
