//! A journal's bytes: as they are, with their checksums put right, or written by callrec and damaged afterwards. The first
//! byte tells which.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

use callrec_session::wire;
use callrec_store::simulation::{File, read_journal};
use callrec_store::{JournalKey, JournalReader, MAX_PAYLOAD, encode_record};

use crate::damage::{Damage, damage};
use crate::input::Input;

/// What stands before a journal's own header, and before a record's payload, in bytes.
const FIXED: usize = 24;
const HEAD: usize = 17;
/// How long after another a record behind damage may come, and how many bytes are looked at for one.
const WEEK_US: u64 = 7 * 24 * 3_600 * 1_000_000;
const MOST_LOOKED_AT: usize = 16 * MAX_PAYLOAD;
/// By what a key becomes as long as a time.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// The key of the journals that are written here.
const KEY: &[u8] = &[0xc3, 0x5a, 0x11, 0x7e];
/// What a reader needs beside the record that it reads, in bytes.
const BUFFERS: u64 = 512 * 1_024;

type Record = (u64, u8, Vec<u8>);

/// A journal in memory.
#[derive(Debug)]
struct Bytes(Vec<u8>);

impl File for Bytes {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let rest = self.0.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_all_at(&self, _: &[u8], _: u64) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    fn len(&self) -> Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    fn sync(&self) -> Result<()> {
        Err(Error::from(ErrorKind::Unsupported))
    }

    fn try_lock(&self) -> Result<bool> {
        Ok(true)
    }

    fn is_at(&self, _: &Path) -> Result<bool> {
        Ok(true)
    }
}

/// Reads a journal.
///
/// # Panics
/// Something is not as it must be.
pub fn read(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() % 3 {
        0 => drop(look(input.0.to_vec())),
        1 => drop(look(sealed(input.0.to_vec()))),
        _ => written_and_damaged(input),
    }
}

/// A journal as callrec writes it loses nothing that is before its damage.
fn written_and_damaged(mut input: Input<'_>) {
    let header_len = usize::from(input.byte());
    let header = input.take(header_len);
    let mut file =
        [b"callrecJ", &2_u32.to_le_bytes()[..], &(header.len() as u32).to_le_bytes(), KEY, &[0; 4], header]
            .concat();
    file = sealed(file);
    let key = key(&file);
    let (mut written, mut ends, mut now_us) = (Vec::new(), Vec::new(), 0);
    for _ in 0..input.byte() % 32 {
        let (kind, wait_us, len) = (input.byte(), u64::from(input.u16()), usize::from(input.u16() % 2_048));
        let payload = input.take(len);
        now_us += wait_us;
        let at_us = now_us;
        encode_record(JournalKey::new(key), at_us, kind, payload, &mut file).expect("a record of 2 KiB");
        written.push((at_us, kind, payload.to_vec()));
        ends.push(file.len());
    }
    let (_, whole) = look(file.clone()).expect("a journal that is whole");
    assert_eq!(whole, written);
    let intact = file.clone();
    let Damage { first, in_place } = damage(&mut file, &mut input);
    let safe = ends.iter().filter(|end| **end <= first).count();
    let is_untouched =
        |(start, end): (usize, usize)| in_place && file.get(start..end) == Some(&intact[start..end]);
    let starts = std::iter::once(FIXED + header.len()).chain(ends.iter().copied());
    let ranges = starts.zip(ends.iter().copied());
    let untouched: Vec<&Record> = written
        .iter()
        .zip(ranges)
        .filter(|(_, range)| is_untouched(*range))
        .map(|(record, _)| record)
        .collect();
    match look(file) {
        Some((found, records)) => {
            assert!(first < FIXED + header.len() || found == header);
            assert!(records.len() >= safe, "{} records of {safe} before byte {first}", records.len());
            assert_eq!(records[..safe], written[..safe]);
            // Who fuzzes knows the key, and may plant a record in the payload of one that is damaged, with a time of its own.
            let is_planted = records.iter().any(|record| !written.contains(record));
            let mut found = records.iter();
            let is_found =
                is_planted || untouched.iter().all(|untouched| found.any(|record| record == *untouched));
            assert!(is_found, "{} of {} untouched records", records.len(), untouched.len());
        }
        None => assert!(first < FIXED + header.len(), "damage at byte {first} is behind the header"),
    }
}

/// Reads a journal in every way; its header and its records, if it is one.
fn look(bytes: Vec<u8>) -> Option<(Vec<u8>, Vec<Record>)> {
    let len = bytes.len() as u64;
    let expected = expect(&bytes);
    let memory = allocation_counter::measure(|| {
        if let Ok(mut reader) = read_journal(Bytes(bytes.clone())) {
            while let Ok(Some(record)) = reader.next(u64::MAX) {
                let _ = wire::decode(record.kind, record.payload);
            }
        }
    });
    assert!(memory.bytes_max <= 8 * len + BUFFERS, "{memory:?} for {len} bytes");
    let Ok(mut reader) = read_journal(Bytes(bytes)) else {
        assert!(expected.is_none(), "a journal that is none");
        return None;
    };
    let Expected { header, first, records, ends, passed_over } = expected.expect("no journal that is one");
    assert!(reader.header() == header && reader.offset() == first);

    // Below limits that grow, as behind a living writer, who is always at the end of a record; then twice without.
    let mut followed = Vec::new();
    for limit in ends.into_iter().step_by(1 + records.len() / 7) {
        read_below(&mut reader, limit, &mut followed);
        assert!(reader.offset() <= limit);
    }
    read_below(&mut reader, u64::MAX, &mut followed);
    assert!(followed == records, "followed: {} records, and not {}", followed.len(), records.len());
    for _ in 0..2 {
        reader.rewind();
        let mut again = Vec::new();
        read_below(&mut reader, u64::MAX, &mut again);
        assert!(again == records, "read: {} records, and not {}", again.len(), records.len());
        assert_eq!(reader.offset() + reader.torn(), len, "what is no record is told");
        assert_eq!(reader.damaged(), passed_over);
        assert!(reader.is_damaged() || passed_over == 0);
    }
    Some((header, records))
}

fn read_below(reader: &mut JournalReader, limit: u64, records: &mut Vec<Record>) {
    while let Some(record) = reader.next(limit).expect("memory can be read") {
        records.push((record.at_us, record.kind, record.payload.to_vec()));
    }
}

/// What is in a journal, read by other means.
struct Expected {
    header: Vec<u8>,
    /// Where the first record is.
    first: u64,
    records: Vec<Record>,
    /// Where each of them ends.
    ends: Vec<u64>,
    /// Bytes in front of some of them.
    passed_over: u64,
}

fn expect(bytes: &[u8]) -> Option<Expected> {
    let first = FIXED + header_len(bytes)?;
    if sealed(bytes[..first].to_vec()) != bytes[..first] {
        return None;
    }
    let (key, mut records, mut ends): (_, Vec<Record>, Vec<u64>) = (key(bytes), Vec::new(), Vec::new());
    let (mut at, mut looked_at, mut passed_over, mut behind) = (first, 0, 0, first);
    while at < bytes.len() {
        let last_us = records.last().map_or(0, |record| record.0);
        let may_be = record(key, &bytes[at..])
            .filter(|(at_us, ..)| at == behind || at_us.abs_diff(last_us) <= WEEK_US);
        let Some((at_us, kind, payload)) = may_be else {
            at += 1;
            continue;
        };
        if at > behind {
            looked_at += HEAD + payload.len();
            if looked_at > MOST_LOOKED_AT {
                break;
            }
        }
        let mut again = Vec::new();
        encode_record(JournalKey::new(key), at_us, kind, payload, &mut again).ok()?;
        if !bytes[at..].starts_with(&again) {
            at += 1;
            continue;
        }
        passed_over += (at - behind) as u64;
        at += again.len();
        behind = at;
        records.push((at_us, kind, payload.to_vec()));
        ends.push(at as u64);
    }
    Some(Expected { header: bytes[FIXED..first].to_vec(), first: first as u64, records, ends, passed_over })
}

/// The key of what begins as a journal does.
fn key(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]])
}

/// The length of the header of what begins as a journal does.
fn header_len(bytes: &[u8]) -> Option<usize> {
    let rest = bytes.strip_prefix(b"callrecJ\x02\0\0\0")?;
    let len = u32::from_le_bytes(*rest.first_chunk()?) as usize;
    (len <= 1 << 20 && FIXED + len <= bytes.len()).then_some(len)
}

/// What may be a record, whatever its checksum.
fn record(key: u32, bytes: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let len = (u32::from_le_bytes(*head.first_chunk()?) ^ key) as usize;
    let at_us = u64::from_le_bytes(*head[8..].first_chunk()?) ^ u64::from(key).wrapping_mul(SPREAD);
    (len <= MAX_PAYLOAD).then_some((at_us, head[16], rest.get(..len)?))
}

/// The same bytes with right checksums, as far as there is a journal.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let Some(len) = header_len(&bytes) else { return bytes };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[8..20]);
    crc.update(&bytes[FIXED..FIXED + len]);
    bytes[20..FIXED].copy_from_slice(&crc.finalize().to_le_bytes());
    let (mut at, key) = (FIXED + len, key(&bytes));
    while let Some((at_us, kind, payload)) = record(key, &bytes[at..]) {
        let mut again = Vec::new();
        if encode_record(JournalKey::new(key), at_us, kind, payload, &mut again).is_err() {
            break;
        }
        bytes[at..at + again.len()].copy_from_slice(&again);
        at += again.len();
    }
    bytes
}
