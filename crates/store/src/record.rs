//! One record of a journal: length, checksum, time, kind and payload.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | length of the payload, little-endian, masked by the journal's key |
//! | 4 | CRC-32 (IEEE) of everything else in the record, begun with the journal's key |
//! | 8 | local time in microseconds since the journal was made, little-endian, masked by the journal's key |
//! | 1 | kind |
//! | n | payload |

use std::fmt;

/// Bytes before a record's payload.
pub(crate) const RECORD_HEAD: usize = 17;

/// The longest payload of a record, in bytes. A longer length in a file is damage.
pub const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// What the checksums of one journal's records begin with, and their lengths and times are masked by: a number that is drawn for it and
/// is in its header. Who sends audio does not know it, and so cannot send what would pass for a record where the journal is damaged; nor
/// does a record of another journal, which a disk may bring up after a crash. And no audio looks as if records began all over it, as
/// silence would, which is small numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JournalKey(pub(crate) u32);

impl JournalKey {
    /// The key of that number; [`RecordingsDir::new_key`](crate::RecordingsDir::new_key) draws one.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// A length as it is written, and back.
    fn mask_length(self, length: u32) -> u32 {
        length ^ self.0
    }

    /// A time as it is written, and back.
    fn mask_time(self, at_us: u64) -> u64 {
        at_us ^ u64::from(self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JournalKey")
    }
}

/// One record as it was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// Local time in microseconds since the journal was made.
    pub at_us: u64,
    /// What the payload is; this crate does not interpret it.
    pub kind: u8,
    /// The bytes given to [`encode_record`].
    pub payload: &'a [u8],
    /// Bytes right before it were damaged, and passed over.
    pub is_behind_damage: bool,
}

/// A payload is longer than [`MAX_PAYLOAD`]; nothing was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a record of {bytes} bytes does not fit a journal: at most {MAX_PAYLOAD} are allowed")]
pub struct RecordTooLong {
    /// Length of the payload.
    pub bytes: usize,
}

/// Appends one record of the journal with that key to `out`, ready for [`JournalWriter::append`](crate::JournalWriter::append).
///
/// # Errors
/// The payload is longer than [`MAX_PAYLOAD`]; `out` is unchanged.
pub fn encode_record(
    key: JournalKey,
    at_us: u64,
    kind: u8,
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), RecordTooLong> {
    if payload.len() > MAX_PAYLOAD {
        return Err(RecordTooLong { bytes: payload.len() });
    }
    append_record(key, at_us, out, |out| {
        out.extend_from_slice(payload);
        kind
    })
}

/// Appends one record to `out`, as [`encode_record`] does; `payload` appends what it is to hold, and gives its kind.
///
/// # Errors
/// The payload is longer than [`MAX_PAYLOAD`]; `out` is unchanged.
pub fn append_record(
    key: JournalKey,
    at_us: u64,
    out: &mut Vec<u8>,
    payload: impl FnOnce(&mut Vec<u8>) -> u8,
) -> Result<(), RecordTooLong> {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD]);
    let kind = payload(out);
    let record = &mut out[start..];
    let bytes = record.len() - RECORD_HEAD;
    if bytes > MAX_PAYLOAD {
        out.truncate(start);
        return Err(RecordTooLong { bytes });
    }
    record[..4].copy_from_slice(&key.mask_length(bytes as u32).to_le_bytes());
    record[8..16].copy_from_slice(&key.mask_time(at_us).to_le_bytes());
    record[16] = kind;
    let crc = checksum(key, record).to_le_bytes();
    record[4..8].copy_from_slice(&crc);
    Ok(())
}

/// Of a whole record: of all but the checksum itself.
fn checksum(key: JournalKey, record: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(key.0);
    crc.update(&record[..4]);
    crc.update(&record[8..]);
    crc.finalize()
}

/// What the beginning of some bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole record of that many bytes.
    Whole(usize),
    /// Perhaps a record, but this many bytes are needed to know.
    Needs(usize),
    /// Not a record, and more bytes will not make it one.
    Damaged,
}

/// Reads the record at the beginning of `bytes`.
pub(crate) fn parse(key: JournalKey, bytes: &[u8]) -> Parsed {
    let Some(head) = bytes.get(..RECORD_HEAD) else { return Parsed::Needs(RECORD_HEAD) };
    let payload_len = payload_of(key, head);
    if payload_len > MAX_PAYLOAD {
        return Parsed::Damaged;
    }
    let whole = RECORD_HEAD + payload_len;
    let Some(record) = bytes.get(..whole) else { return Parsed::Needs(whole) };
    if checksum(key, record) != le_u32(&record[4..8]) {
        return Parsed::Damaged;
    }
    Parsed::Whole(whole)
}

/// How long the payload is of the record that has this head, in bytes.
pub(crate) fn payload_of(key: JournalKey, head: &[u8]) -> usize {
    key.mask_length(le_u32(&head[..4])) as usize
}

/// When the record came that has this head.
pub(crate) fn time_of(key: JournalKey, head: &[u8]) -> u64 {
    key.mask_time(head[8..16].iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b)))
}

pub(crate) fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, &b| sum << 8 | u32::from(b))
}
