//! What is tried before a directory is said to be one that recordings can be made in.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::Path;

use callrec_store::RecordingsDir;

/// What is in the recordings directory, and in `.journal`.
fn names(home: &Path) -> Vec<String> {
    let names = |dir: &Path| -> Vec<String> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    [names(home), names(&home.join(".journal"))].concat()
}

#[test]
fn a_working_directory_passes_the_probe_and_is_left_clean() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path().join("a/b")).unwrap();
    dir.probe().unwrap();
    assert_eq!(names(&home.path().join("a/b")), [".journal"]);
    fs::remove_dir(home.path().join("a/b/.journal")).unwrap();
    let told = dir.probe().unwrap_err().to_string();
    assert!(told.contains("a/b/.journal/"), "{told}");
}

#[test]
fn what_a_probe_left_that_was_killed_is_in_the_way_of_no_other_and_is_cleaned_up() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let left = home.path().join(".probe.tmp");
    fs::write(&left, "left").unwrap();
    dir.probe().unwrap();
    assert_eq!(names(home.path()), [".journal"]);
    fs::write(&left, "left").unwrap();
    assert_eq!(dir.clean_up().unwrap().removed, 1);
    assert_eq!(names(home.path()), [".journal"]);
}

#[test]
fn probes_that_meet_are_all_passed_and_take_nothing_from_each_other() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        let probe = || {
            // A directory opened again stands for another process.
            let dir = RecordingsDir::open(home.path()).unwrap();
            for _ in 0..25 {
                dir.probe().unwrap();
                dir.clean_up().unwrap();
            }
        };
        (0..4).for_each(|_| drop(scope.spawn(probe)));
    });
    assert_eq!(names(home.path()), [".journal"]);
}

#[test]
fn where_no_recording_can_get_its_name_the_probe_tells_and_leaves_nothing() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    fs::create_dir(home.path().join(".probe.tmp")).unwrap();
    let told = dir.probe().unwrap_err().to_string();
    assert!(told.contains(".probe.tmp is not a regular file: move it away"), "{told}");
    fs::remove_dir(home.path().join(".probe.tmp")).unwrap();
    assert_eq!(names(home.path()), [".journal"]);
}
