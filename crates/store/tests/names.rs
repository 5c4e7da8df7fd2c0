//! Names: which calls are accepted, and that no name leads out of the directory or means two things.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::collections::HashMap;
use std::path::Component;

use callrec_store::{CallId, CallIdError, EXTENSIONS, JournalKey, RecordingsDir, StoreError};
use proptest::prelude::*;

const KEY: JournalKey = JournalKey::new(0x5eed);

#[test]
fn hostile_names_are_refused_and_the_reason_is_told() {
    let long = "x".repeat(200);
    for (name, reason) in [
        ("", CallIdError::Empty),
        (long.as_str(), CallIdError::TooLong { bytes: 200 }),
        ("../x", CallIdError::Character),
        ("..", CallIdError::Hidden),
        (".", CallIdError::Hidden),
        ("a/b", CallIdError::Character),
        ("a\\b", CallIdError::Character),
        ("C:", CallIdError::Character),
        ("/etc/passwd", CallIdError::Character),
        (".hidden", CallIdError::Hidden),
        ("x_summary", CallIdError::Reserved),
        ("x_SUMMARY", CallIdError::Reserved),
        ("x_conversation", CallIdError::Reserved),
        ("x_conversation_2", CallIdError::Reserved),
        ("a\0b", CallIdError::Character),
        ("a\nb", CallIdError::Character),
        ("a b", CallIdError::Character),
        ("é", CallIdError::Character),
        ("٣", CallIdError::Character),
    ] {
        assert_eq!(CallId::new(name), Err(reason), "{name:?}");
        assert!(!reason.to_string().is_empty());
    }
}

#[test]
fn names_of_providers_are_accepted() {
    for name in
        ["CA0123456789abcdef0123456789abcdef", "v3:x".replace(':', ".").as_str(), "a_1", "1", "_", "-x"]
    {
        assert_eq!(CallId::new(name).unwrap().to_string(), name);
    }
    assert!(CallId::new(&"x".repeat(128)).is_ok());
}

#[test]
fn files_have_the_names_that_were_promised() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path().join("responses")).unwrap();
    let call = CallId::new("CA1").unwrap();
    let name = |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(RecordingsDir::recording_name(&call, 1, "mp3"), "call_CA1_conversation.mp3");
    assert_eq!(RecordingsDir::recording_name(&call, 2, "flac"), "call_CA1_conversation_2.flac");
    assert_eq!(name(dir.transcript_path(&call)), "call_CA1.txt");
    assert_eq!(name(dir.summary_path(&call)), "call_CA1_summary.txt");
    assert_eq!(name(dir.summary_json_path(&call)), "call_CA1_summary.json");
    assert_eq!(dir.recording_path(&call, 1, "wav").parent(), Some(dir.path()));
    assert_eq!(name(dir.create_journal(&call, 7, KEY, b"").unwrap().path().to_owned()), "CA1_7.journal");
}

#[test]
fn texts_are_written_and_read_under_plain_names_only() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path().join("responses")).unwrap();
    for name in ["../x.txt", "a/b.txt", "/tmp/x.txt", ".hidden.txt", "", ".", "..", "a\\b.txt", "a\0.txt"] {
        assert!(matches!(dir.write_atomic(name, b"x"), Err(StoreError::Name { .. })), "{name:?}");
        assert!(matches!(dir.read_file(name), Err(StoreError::Name { .. })), "{name:?}");
        assert!(matches!(dir.set_aside(name), Err(StoreError::Name { .. })), "{name:?}");
    }
    assert!(matches!(dir.open_recording("..".as_ref()), Err(StoreError::Name { .. })));
    assert!(matches!(
        dir.create_partial(&CallId::new("a").unwrap(), 1, "../x"),
        Err(StoreError::Name { .. })
    ));
}

#[test]
fn audio_cannot_be_rewritten_as_if_it_were_a_text() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    for extension in EXTENSIONS {
        let name = format!("call_CA1_conversation.{extension}");
        std::fs::write(home.path().join(&name), "audio").unwrap();
        assert!(dir.write_atomic(&name, b"x").is_err());
        assert!(dir.set_aside(&name).is_err());
        assert_eq!(std::fs::read(home.path().join(&name)).unwrap(), b"audio");
    }
}

proptest! {
    #[test]
    fn no_accepted_name_leaves_the_directory(name in "\\PC{0,12}|[a-z./_\\\\-]{0,12}|[.]{0,3}") {
        if let Ok(call) = CallId::new(&name) {
            let file = RecordingsDir::recording_name(&call, 2, "mp3");
            let path = std::path::Path::new(&file);
            prop_assert_eq!(path.components().count(), 1);
            prop_assert!(matches!(path.components().next(), Some(Component::Normal(_))));
        }
    }

    #[test]
    fn no_two_files_of_any_calls_share_a_name(
        names in prop::collection::hash_set("[a1_.-]{1,4}(_conversatio|_summar|_txt|_2|\\.txt|_1\\.journal)?", 2..12),
    ) {
        let mut owners = HashMap::new();
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        for call in names.iter().filter_map(|name| CallId::new(name).ok()) {
            let mut files = vec![dir.transcript_path(&call), dir.summary_path(&call), dir.summary_json_path(&call)];
            for number in [1, 2, 22] {
                files.push(dir.recording_path(&call, number, "mp3"));
                files.push(dir.create_journal(&call, number, KEY, b"").unwrap().path().to_owned());
            }
            for file in files {
                prop_assert_eq!(owners.insert(file, call.clone()), None);
            }
        }
        let found = dir.free_journals().unwrap();
        for journal in found {
            prop_assert_eq!(owners.get(journal.path()), Some(journal.call()));
        }
    }
}

#[test]
fn a_name_that_could_be_a_telephone_number_is_in_no_log() {
    for name in ["CA0123", "a", "1-b"] {
        assert_eq!(CallId::new(name).unwrap().for_log(), name);
    }
    for name in ["15550001111", "1-555.000_1111", "7"] {
        assert_eq!(CallId::new(name).unwrap().for_log(), "of an odd name");
    }
}
