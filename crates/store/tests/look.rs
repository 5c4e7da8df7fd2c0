//! Looking changes nothing: journals of living writers are read, and nothing is made.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;
use std::path::Path;

use callrec_store::{
    CallId, JournalKey, JournalReader, ReadOnlyDir, RecordingsDir, StoreError, encode_record,
};

const KEY: JournalKey = JournalKey::new(0x5eed);

fn record(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_record(KEY, 7, 1, text, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_living_writers_journal_is_read_as_far_as_it_is_whole_and_stays_the_writers() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let call = CallId::new("CA1").unwrap();
    let mut writer = dir.create_journal(&call, 1, KEY, b"header").unwrap();
    writer.append(&record(b"one")).unwrap();

    let look = ReadOnlyDir::new(home.path());
    let journals = look.journals_of(&call).unwrap();
    assert_eq!(journals, [(1, writer.path().to_owned())]);
    let mut reader = JournalReader::open(&journals[0].1).unwrap();
    assert_eq!(reader.header(), b"header");
    assert_eq!(reader.next(u64::MAX).unwrap().unwrap().payload, b"one");
    assert_eq!(reader.next(u64::MAX).unwrap(), None);
    writer.append(&record(b"two")).unwrap();
    assert_eq!(reader.next(u64::MAX).unwrap().unwrap().payload, b"two");

    // With the reader still open, the writer's end frees the journal for whoever recovers it.
    drop(writer);
    assert!(dir.free_journals().unwrap().remove(0).lock().unwrap().is_some());
}

#[test]
fn a_directory_that_is_missing_holds_nothing_and_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    let missing = home.path().join("missing");
    let (look, call) = (ReadOnlyDir::new(&missing), CallId::new("CA1").unwrap());
    assert!(look.journals_of(&call).unwrap().is_empty());
    assert!(look.recordings_of(&call).unwrap().is_empty());
    assert_eq!(look.summary_of(&call).unwrap(), None);
    let refused = JournalReader::open(&look.journals().join("CA1_1.journal")).unwrap_err();
    assert!(matches!(refused, StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound));
    assert!(!missing.exists());
}

#[test]
fn recordings_of_one_call_are_told_from_those_of_others() {
    let home = tempfile::tempdir().unwrap();
    for name in [
        "call_CA1_conversation.mp3",
        "call_CA1_conversation_3.wav",
        "call_CA1_conversation_03.wav",
        "call_CA1_conversation_2.txt",
        "call_CA12_conversation.mp3",
    ] {
        fs::write(home.path().join(name), "").unwrap();
    }
    let look = ReadOnlyDir::new(home.path());
    let found = look.recordings_of(&CallId::new("CA1").unwrap()).unwrap();
    let names = ["call_CA1_conversation.mp3", "call_CA1_conversation_3.wav"];
    assert_eq!(found, [(1, home.path().join(names[0])), (3, home.path().join(names[1]))]);
    for (path, number) in [
        (names[0], Some(1)),
        (names[1], Some(3)),
        ("call_CA1_summary.json", None),
        ("CA1_2.journal", Some(2)),
    ] {
        let call = CallId::new("CA1").unwrap();
        assert_eq!(ReadOnlyDir::owner_of(Path::new(path)), Some((call, number)), "{path}");
    }
    assert_eq!(ReadOnlyDir::owner_of(Path::new("notes.txt")), None);
}
