//! What a journal says of its own lengths costs no memory that its file does not have.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use std::fs;

use callrec_store::{
    CallId, JournalKey, JournalReader, MAX_HEADER, MAX_PAYLOAD, RecordingsDir, encode_record,
};

const KEY: JournalKey = JournalKey::new(0x5eed);

/// The most memory that reading a journal of these bytes takes, in bytes, and how many records there are.
fn reading(bytes: &[u8]) -> (u64, usize) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("CA1_1.journal");
    fs::write(&path, bytes).unwrap();
    let mut records = 0;
    let memory = allocation_counter::measure(|| {
        if let Ok(mut reader) = JournalReader::open(&path) {
            while reader.next(u64::MAX).unwrap().is_some() {
                records += 1;
            }
        }
    });
    (memory.bytes_max, records)
}

/// A journal as it is written, with one record.
fn journal() -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"head").unwrap();
    let mut record = Vec::new();
    encode_record(KEY, 5, 2, &[0xff; 160], &mut record).unwrap();
    journal.append(&record).unwrap();
    fs::read(journal.path()).unwrap()
}

#[test]
fn a_damaged_length_of_a_record_takes_no_memory() {
    let (usual, records) = reading(&journal());
    assert_eq!(records, 1);
    for claimed in [100_000, MAX_PAYLOAD as u32, u32::MAX] {
        let (most, records) = reading(&[&journal()[..], &claimed.to_le_bytes(), &[0; 60]].concat());
        assert_eq!(records, 1);
        assert!(most < usual + 1_024, "{most} bytes for a record that says it has {claimed}");
    }
}

#[test]
fn a_damaged_length_of_the_header_takes_no_memory() {
    let mut bytes = journal();
    bytes[12..16].copy_from_slice(&(MAX_HEADER as u32).to_le_bytes());
    let (most, records) = reading(&bytes);
    assert_eq!(records, 0);
    assert!(most < 65_536, "{most} bytes for a header that is not there");
}
