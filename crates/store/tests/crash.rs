//! After a crash: what a killed process leaves. In a binary of its own: a process that is being spawned shares its
//! parent's file locks until it runs, and would make the locks of other tests look owned.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use callrec_store::{CallId, JournalKey, RecordingsDir, encode_record};

const KEY: JournalKey = JournalKey::new(0x5eed);

fn call(name: &str) -> CallId {
    CallId::new(name).unwrap()
}

/// Not a test by itself: the process that [`a_killed_process_leaves_a_journal_to_recover_and_a_partial_to_remove`]
/// starts and kills. Started by the test runner it does nothing.
#[test]
fn process_to_be_killed() {
    let Some(home) = std::env::var_os("CALLREC_STORE_TEST_DIRECTORY") else { return };
    let dir = RecordingsDir::open(home).unwrap();
    let mut journal = dir.create_journal(&call("CA1"), 1, KEY, b"head").unwrap();
    let mut bytes = Vec::new();
    encode_record(KEY, 5, 1, b"whole", &mut bytes).unwrap();
    let whole = bytes.len();
    encode_record(KEY, 6, 1, b"torn", &mut bytes).unwrap();
    journal.append(&bytes[..whole + 9]).unwrap();
    let mut partial = dir.create_partial(&call("CA1"), 1, "mp3").unwrap();
    partial.write(b"half a file").unwrap();
    println!("\nready");
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_process_leaves_a_journal_to_recover_and_a_partial_to_remove() {
    let home = tempfile::tempdir().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_to_be_killed", "--nocapture"])
        .env("CALLREC_STORE_TEST_DIRECTORY", home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "ready"));

    let dir = RecordingsDir::open(home.path()).unwrap();
    let free = || dir.free_journals().unwrap().remove(0);
    assert!(free().lock().unwrap().is_none(), "the process lives");
    assert_eq!(dir.clean_up().unwrap().removed, 0);
    assert_eq!(dir.create_journal(&call("CA1"), 1, KEY, b"").unwrap().number(), 2);

    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(dir.clean_up().unwrap().removed, 1);
    let journal = free().lock().unwrap().unwrap();
    assert_eq!(journal.header().unwrap(), b"head");
    let mut reader = journal.reader().unwrap();
    assert_eq!(reader.next(u64::MAX).unwrap().unwrap().payload, b"whole");
    assert_eq!(reader.next(u64::MAX).unwrap(), None);
    assert_eq!(reader.torn(), 9);
}
