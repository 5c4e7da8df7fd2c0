//! Journals that are damaged: what is read of them, and what is not.

use std::fs;
use std::path::Path;

use callrec_store::{CallId, HeaderDamage, JournalKey, RecordingsDir, StoreError, encode_record};

use crate::{KEY, Owned, abandoned, encode, locked, read_all, some_records};

/// Writes a journal's file, reads it, and gives what was read, how many bytes were damaged and how many torn.
fn read_file(dir: &RecordingsDir, path: &Path, bytes: &[u8]) -> (Vec<Owned>, u64, u64) {
    fs::write(path, bytes).unwrap();
    let mut reader = locked(dir).reader().unwrap();
    let records = read_all(&mut reader, u64::MAX);
    assert_eq!(reader.is_damaged(), reader.damaged() > 0);
    (records, reader.damaged(), reader.torn())
}

#[test]
fn a_flipped_bit_anywhere_costs_its_record_and_no_other() {
    let records = some_records();
    let bytes = encode(&records);
    let ends: Vec<usize> = (0..=records.len()).map(|n| encode(&records[..n]).len()).collect();
    let (_home, dir) = abandoned(&bytes);
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - bytes.len();
    for bit in 0..bytes.len() * 8 {
        let mut damaged = whole.clone();
        damaged[head + bit / 8] ^= 1 << (bit % 8);
        let hit = ends.iter().rposition(|&end| end <= bit / 8).unwrap();
        let (read, passed_over, torn) = read_file(&dir, &path, &damaged);
        assert_eq!(read, [&records[..hit], &records[hit + 1..]].concat(), "bit {bit}");
        let len = (ends[hit + 1] - ends[hit]) as u64;
        let expected = if hit + 1 < records.len() { (len, 0) } else { (0, len) };
        assert_eq!((passed_over, torn), expected, "bit {bit}");
    }
}

#[test]
fn behind_a_hole_of_any_length_the_next_whole_record_is_read() {
    let long = |at_us, bytes| (at_us, 1, (0..bytes).map(|n| (n % 251) as u8).collect());
    // The last are longer than what is looked through at a time.
    let records: Vec<Owned> = vec![
        long(0, 160),
        long(20_000, 5),
        long(40_000, 100_000),
        long(60_000, 200_000),
        long(80_000, 30),
        long(100_000, 30),
    ];
    let ends: Vec<usize> = (0..=records.len()).map(|n| encode(&records[..n]).len()).collect();
    let bytes = encode(&records);
    let (_home, dir) = abandoned(&bytes);
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - bytes.len();
    assert_eq!(read_file(&dir, &path, &whole), (records.clone(), 0, 0));
    let edges = |record: usize| [ends[record], ends[record] + 3, ends[record] + 11, ends[record + 1] - 1];
    let places: Vec<usize> = (0..records.len()).flat_map(edges).chain([bytes.len()]).collect();
    let mut holes = 0;
    for from in places.iter().copied() {
        for to in places.iter().copied().filter(|to| *to > from) {
            holes += 1;
            let mut damaged = whole.clone();
            damaged[head + from..head + to].fill(0);
            let before = ends.iter().rposition(|&end| end <= from).unwrap();
            let behind = ends.iter().position(|&end| end >= to).unwrap();
            let is_read = behind < records.len();
            let hole = (ends[behind] - ends[before]) as u64;
            let (read, passed_over, torn) = read_file(&dir, &path, &damaged);
            let times = |records: &[Owned]| -> Vec<u64> { records.iter().map(|record| record.0).collect() };
            let left = [&records[..before], &records[behind..]].concat();
            assert_eq!(times(&read), times(&left), "{from} to {to}");
            assert!(read == left, "{from} to {to}");
            assert_eq!((passed_over, torn), if is_read { (hole, 0) } else { (0, hole) }, "{from} to {to}");
            // Cut short there, nothing is behind the hole.
            let (read, passed_over, torn) = read_file(&dir, &path, &damaged[..head + to]);
            assert!(read == records[..before], "{from} to {to}, cut short");
            assert_eq!((passed_over, torn), (0, (to - ends[before]) as u64), "{from} to {to}, cut short");
        }
    }
    assert!(holes > 200, "{holes}");
}

#[test]
fn a_live_reader_goes_on_behind_damage_when_something_is_written_there() {
    let home = tempfile::tempdir().unwrap();
    let dir = RecordingsDir::open(home.path()).unwrap();
    let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"").unwrap();
    let records = some_records();
    let mut reader = journal.reader().unwrap();
    journal.append(&encode(&records[..2])).unwrap();
    let mut bytes = fs::read(journal.path()).unwrap();
    // The length of the second says that it is far from whole.
    let second = bytes.len() - encode(&records[1..2]).len();
    bytes[second + 1] ^= 1;
    fs::write(journal.path(), bytes).unwrap();
    assert_eq!(read_all(&mut reader, journal.committed()), records[..1]);
    assert!(reader.torn() > 0 && !reader.is_damaged());
    journal.append(&encode(&records[2..])).unwrap();
    assert_eq!(read_all(&mut reader, journal.committed()), records[2..]);
    let lost = encode(&records[1..2]).len() as u64;
    assert_eq!((reader.torn(), reader.damaged(), reader.is_damaged()), (0, lost, true));
    reader.rewind();
    assert!(!reader.is_damaged());
    assert_eq!(read_all(&mut reader, journal.committed()).len(), records.len() - 1);
}

#[test]
fn what_a_stranger_sent_passes_for_no_record_where_a_journal_is_damaged() {
    // Audio that is records as another journal has them: of every other key but one that differs in a single bit.
    let other_keys = (0..32).map(|bit| JournalKey::new(0x5eed ^ 1 << bit));
    let mut audio = Vec::new();
    for key in other_keys.chain([JournalKey::new(0)]) {
        encode_record(key, 30_000, 1, b"never said", &mut audio).unwrap();
    }
    let records = vec![(20_000, 1, audio), (40_000, 1, b"behind".to_vec())];
    let (_home, dir) = abandoned(&encode(&records));
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let whole = fs::read(&path).unwrap();
    let head = whole.len() - encode(&records).len();
    for byte in 0..17 {
        let mut damaged = whole.clone();
        damaged[head + byte] ^= 0x10;
        assert_eq!(read_file(&dir, &path, &damaged).0, records[1..], "byte {byte}");
    }
    // With the journal's own key it would: this is what the key is for.
    let mut known = Vec::new();
    encode_record(KEY, 30_000, 1, b"never said", &mut known).unwrap();
    let (_home, dir) = abandoned(&encode(&[(20_000, 1, known)]));
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let mut damaged = fs::read(&path).unwrap();
    damaged[head] ^= 0x10;
    assert_eq!(read_file(&dir, &path, &damaged).0, [(30_000, 1, b"never said".to_vec())]);
}

#[test]
fn silence_and_quiet_speech_do_not_look_as_if_records_began_all_over_them() {
    let mut seed = 1_u64;
    let mut quiet = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((seed >> 61) as i16 - 4).to_le_bytes()
    };
    let quiet: Vec<u8> = (0..500_000).flat_map(|_| quiet()).collect();
    for payload in [quiet, vec![0; 1_000_000], vec![0xff; 1_000_000]] {
        let records = vec![(20_000, 1, payload), (40_000, 1, b"behind".to_vec())];
        let (_home, dir) = abandoned(&encode(&records));
        let path = dir.free_journals().unwrap()[0].path().to_owned();
        let mut damaged = fs::read(&path).unwrap();
        let at = damaged.len() - 500_000;
        damaged[at] ^= 1;
        assert!(read_file(&dir, &path, &damaged).0 == records[1..]);
    }
}

#[test]
fn a_journal_that_is_all_beginnings_of_long_records_is_not_looked_through_for_ever() {
    // Each says that it is a megabyte long, and there is one.
    let mut long = encode(&[(0, 1, vec![0; 1_000_000])]);
    long[4] ^= 1;
    let head = &long[..17];
    let bytes = [vec![0xff; 17], head.repeat(100_000), encode(&some_records())].concat();
    let (_home, dir) = abandoned(&bytes);
    let mut reader = locked(&dir).reader().unwrap();
    assert_eq!(read_all(&mut reader, u64::MAX), []);
    assert_eq!((reader.torn(), reader.damaged()), (bytes.len() as u64, 0));
    assert!(reader.is_damaged(), "a person may find more");
}

#[test]
fn a_flipped_bit_in_the_header_makes_the_journal_one_for_a_person() {
    let (_home, dir) = abandoned(b"");
    let path = dir.free_journals().unwrap()[0].path().to_owned();
    let whole = fs::read(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        let free = locked(&dir);
        let expected = match bit / 8 {
            8..12 => HeaderDamage::Version(2 ^ (1 << (bit - 64))),
            _ => HeaderDamage::Damaged,
        };
        assert_eq!(free.header(), Err(expected), "bit {bit}");
        assert!(matches!(free.reader(), Err(StoreError::Journal { .. })));
    }
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(locked(&dir).header(), Err(HeaderDamage::Damaged), "cut at {cut}");
    }
}
