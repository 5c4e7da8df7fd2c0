//! Journals: what was appended is read, what was torn is cut, and no bytes at all make the reader fail.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod damage;

use std::fs;
use std::path::Path;

use callrec_store::{
    CallId, JournalKey, JournalReader, LockedJournal, MAX_HEADER, MAX_PAYLOAD, RecordingsDir, StoreError,
    encode_record,
};
use proptest::prelude::*;
use tempfile::TempDir;

const KEY: JournalKey = JournalKey::new(0x5eed);

type Owned = (u64, u8, Vec<u8>);

fn some_records() -> Vec<Owned> {
    vec![
        (0, 1, b"started".to_vec()),
        (20_000, 2, vec![0xff; 160]),
        (20_000, 127, vec![]),
        (40_000, 0, vec![0; 5]),
    ]
}

fn encode(records: &[Owned]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at_us, kind, payload) in records {
        encode_record(KEY, *at_us, *kind, payload, &mut out).unwrap();
    }
    out
}

fn read_all(reader: &mut JournalReader, limit: u64) -> Vec<Owned> {
    let mut records = Vec::new();
    while let Some(record) = reader.next(limit).unwrap() {
        records.push((record.at_us, record.kind, record.payload.to_vec()));
    }
    records
}

/// A journal with a header and these bytes behind it, whose writer is gone.
fn abandoned(bytes: &[u8]) -> (TempDir, RecordingsDir) {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"head").unwrap().append(bytes).unwrap();
    (home, dir)
}

fn locked(dir: &RecordingsDir) -> LockedJournal {
    dir.free_journals().unwrap().remove(0).lock().unwrap().unwrap()
}

#[test]
fn what_was_appended_is_read_by_the_live_reader_and_after_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"head").unwrap();
    let mut reader = journal.reader().unwrap();
    assert_eq!(reader.header(), b"head");
    assert_eq!(read_all(&mut reader, journal.committed()), []);
    let records = some_records();
    for record in &records {
        journal.append(&encode(std::slice::from_ref(record))).unwrap();
        assert_eq!(read_all(&mut reader, journal.committed()), std::slice::from_ref(record));
        assert_eq!(reader.torn(), 0);
        assert_eq!(reader.offset(), journal.committed());
    }
    reader.rewind();
    assert_eq!(read_all(&mut reader, journal.committed()), records);
    journal.sync().unwrap();
    dir.sync().unwrap();
    drop((journal, reader));

    let free = locked(&dir);
    assert_eq!(free.header().unwrap(), b"head");
    let mut reader = free.reader().unwrap();
    assert_eq!(read_all(&mut reader, u64::MAX), records);
    assert_eq!(reader.torn(), 0);
}

#[test]
fn nothing_beyond_the_committed_length_is_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"").unwrap();
    let first = journal.committed();
    let records = some_records();
    journal.append(&encode(&records)).unwrap();
    let mut reader = journal.reader().unwrap();
    let mut read = Vec::new();
    for limit in first..=journal.committed() {
        read.extend(read_all(&mut reader, limit));
        assert!(reader.offset() <= limit);
        assert_eq!(reader.torn(), limit - reader.offset());
    }
    assert_eq!(read, records, "a limit inside a record is no damage: a later limit goes on");

    reader.rewind();
    assert!(reader.next(u64::MAX).unwrap().is_some());
    assert_eq!(reader.next(reader.offset() + 1).unwrap(), None, "what was read ahead is not given either");
}

#[test]
fn a_journal_cut_at_any_byte_gives_every_whole_record_before_the_cut() {
    let records = some_records();
    let bytes = encode(&records);
    let ends: Vec<usize> = (0..=records.len()).map(|n| encode(&records[..n]).len()).collect();
    let (_home, dir) = abandoned(&bytes);
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - bytes.len();
    for cut in (0..=bytes.len()).rev() {
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len((head + cut) as u64).unwrap();
        let mut reader = locked(&dir).reader().unwrap();
        let expected = ends.iter().rposition(|&end| end <= cut).unwrap();
        assert_eq!(read_all(&mut reader, u64::MAX), records[..expected], "cut at {cut}");
        assert_eq!(reader.torn(), (cut - ends[expected]) as u64, "cut at {cut}");
        assert_eq!(reader.next(u64::MAX).unwrap(), None);
    }
}

#[test]
fn keys_that_are_drawn_are_never_twice_the_same() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let drawn: Vec<JournalKey> = (0..50).map(|_| dir.new_key()).collect();
    let same = drawn.iter().enumerate().filter(|(at, key)| drawn[..*at].contains(key)).count();
    // Two of fifty are by chance in one of three million runs.
    assert_eq!(same, 0);
}

#[test]
fn a_live_journal_that_is_set_aside_is_kept_under_another_name_and_not_found_again() {
    let home = TempDir::new().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"header").unwrap();
    journal.append(&encode(&some_records())).unwrap();
    let bytes = fs::read(journal.path()).unwrap();
    let aside = journal.set_aside().unwrap();
    assert!(aside.ends_with(".journal/CA1_1.journal.bad") && fs::read(&aside).unwrap() == bytes);
    assert!(dir.free_journals().unwrap().is_empty());
}

#[test]
fn zeros_behind_the_last_record_are_a_torn_tail() {
    // What a file system may leave after a power loss.
    let records = some_records();
    let (_home, dir) = abandoned(&[encode(&records), vec![0; 4096]].concat());
    let mut reader = locked(&dir).reader().unwrap();
    assert_eq!(read_all(&mut reader, u64::MAX), records);
    assert_eq!(reader.torn(), 4096);
}

#[test]
fn records_longer_than_any_buffer_are_read_and_too_long_ones_refused() {
    let longest = vec![(1, 1, vec![1; MAX_PAYLOAD]), (2, 2, vec![2; 200_000]), (3, 3, vec![3; 1])];
    let (_home, dir) = abandoned(&encode(&longest));
    assert_eq!(read_all(&mut locked(&dir).reader().unwrap(), u64::MAX), longest);

    let mut out = vec![9];
    assert_eq!(
        encode_record(KEY, 0, 0, &vec![0; MAX_PAYLOAD + 1], &mut out).unwrap_err().bytes,
        MAX_PAYLOAD + 1
    );
    assert_eq!(out, [9]);
    let call = CallId::new("CA2").unwrap();
    let refused = dir.create_journal(&call, 1, KEY, &vec![0; MAX_HEADER + 1]).unwrap_err();
    assert!(matches!(refused, StoreError::TooLarge { .. }), "{refused}");
    assert_eq!(dir.clean_up().unwrap().removed, 0);
    dir.create_journal(&call, 1, KEY, &vec![0; MAX_HEADER]).unwrap();
}

#[test]
fn a_reader_on_another_thread_follows_the_writer() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"").unwrap();
    let mut reader = journal.reader().unwrap();
    let (send, receive) = std::sync::mpsc::channel();
    let read = std::thread::spawn(move || {
        let mut count = 0u64;
        for committed in receive {
            while let Some(record) = reader.next(committed).unwrap() {
                assert_eq!(record.at_us, count);
                assert_eq!(record.payload.len() as u64, count % 500);
                count += 1;
            }
            assert_eq!(reader.torn(), 0);
        }
        count
    });
    let mut bytes = Vec::new();
    for at in 0..20_000 {
        encode_record(KEY, at, 1, &vec![7; at as usize % 500], &mut bytes).unwrap();
        if at % 50 == 49 {
            journal.append(&bytes).unwrap();
            bytes.clear();
            send.send(journal.committed()).unwrap();
        }
    }
    drop(send);
    assert_eq!(read.join().unwrap(), 20_000);
}

fn reads_without_end_or_error(dir: &RecordingsDir, path: &Path) -> usize {
    let mut reader = locked(dir).reader().unwrap();
    let records = read_all(&mut reader, u64::MAX);
    let len = fs::metadata(path).unwrap().len();
    assert_eq!(reader.torn(), len - reader.offset());
    records.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (_home, dir) = abandoned(&bytes);
        let path = dir.free_journals().unwrap()[0].path().to_owned();
        reads_without_end_or_error(&dir, &path);
        fs::write(&path, &bytes).unwrap();
        prop_assert!(locked(&dir).header().is_err());
    }

    #[test]
    fn any_records_survive_and_random_bytes_behind_them_change_none(
        records in prop::collection::vec((any::<u64>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20),
        tail in prop::collection::vec(any::<u8>(), 0..100),
        limit_steps in prop::collection::vec(1u64..500, 1..20),
    ) {
        let (_home, dir) = abandoned(&[encode(&records), tail].concat());
        let path = dir.free_journals().unwrap()[0].path().to_owned();
        prop_assert_eq!(reads_without_end_or_error(&dir, &path), records.len());
        // The limits at which a reader is asked change nothing of what it gives.
        let mut reader = locked(&dir).reader().unwrap();
        let (mut read, mut limit) = (Vec::new(), 0);
        for step in limit_steps {
            limit += step;
            read.extend(read_all(&mut reader, limit));
        }
        read.extend(read_all(&mut reader, u64::MAX));
        prop_assert_eq!(read, records);
    }

    #[test]
    fn a_journal_that_was_bent_loses_nothing_that_was_before(
        records in prop::collection::vec((any::<u64>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)), 1..8),
        at in any::<prop::sample::Index>(), byte: u8, how in 0_u8..4,
    ) {
        let whole = encode(&records);
        let (mut bent, at) = (whole.clone(), at.index(whole.len()));
        match how {
            0 => bent[at] ^= byte,
            1 => bent.truncate(at),
            2 => bent.insert(at, byte),
            _ => drop(bent.drain(at..(at + usize::from(byte)).min(whole.len()))),
        }
        let before = records.iter().scan(0, |end, record| {
            *end += encode(std::slice::from_ref(record)).len();
            Some(*end)
        }).filter(|end| *end <= at).count();
        let (_home, dir) = abandoned(&bent);
        let path = dir.free_journals().unwrap()[0].path().to_owned();
        reads_without_end_or_error(&dir, &path);
        let read = read_all(&mut locked(&dir).reader().unwrap(), u64::MAX);
        prop_assert!(read.len() >= before && read[..before] == records[..before], "{} of {before}", read.len());
    }
}
