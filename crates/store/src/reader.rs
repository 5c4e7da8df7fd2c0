//! Reads a journal's records from its beginning, below a limit, with memory bounded by one record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::File;
use crate::error::{At, StoreError};
use crate::journal::{self, Front};
use crate::open;
use crate::record::{MAX_PAYLOAD, Parsed, RECORD_HEAD, Record, parse, payload_of, time_of};

/// How much is read at once, in bytes; a longer record is read in one piece. It is what each of many takes holds that are behind.
const CHUNK: usize = 16 * 1024;
/// How many bytes are looked at as those of records that may be none, from the beginning of a journal to its end.
const MOST_CHECKED: usize = 16 * MAX_PAYLOAD;
/// How far the times of two records on both sides of damage may be apart, in microseconds: a week. Hardly any bytes that are no record
/// say so.
const LONGEST_PAUSE_US: u64 = 7 * 24 * 3600 * 1_000_000;

/// Reads the records of one journal, in order. It keeps the journal's lock alive.
#[derive(Debug)]
pub struct JournalReader {
    file: Arc<File>,
    path: PathBuf,
    front: Front,
    /// Offset in the file of `buffer[begin]`.
    offset: u64,
    buffer: Vec<u8>,
    begin: usize,
    torn: u64,
    /// Bytes in front of records that were read, which are none themselves.
    damaged: u64,
    is_behind_damage: bool,
    /// Bytes that were looked at as those of records behind damage.
    checked: usize,
    /// When the last record came that was read.
    last_us: u64,
}

impl JournalReader {
    pub(crate) fn new(file: Arc<File>, path: PathBuf) -> Result<Self, StoreError> {
        match journal::read_front(&file, &path)? {
            Ok(front) => Ok(Self {
                file,
                path,
                offset: front.first,
                front,
                buffer: Vec::new(),
                begin: 0,
                torn: 0,
                damaged: 0,
                is_behind_damage: false,
                checked: 0,
                last_us: 0,
            }),
            Err(damage) => Err(StoreError::Journal { path, damage }),
        }
    }

    /// The bytes given to [`create_journal`](crate::RecordingsDir::create_journal).
    pub fn header(&self) -> &[u8] {
        &self.front.header
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next record begins, in bytes from the beginning of the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record that lies whole below the offset `committed`; none if there is no more. For a live journal the
    /// limit is what its writer has committed, so a later call with a higher limit goes on; for a journal whose
    /// writer is gone it is `u64::MAX`.
    ///
    /// Bytes that are no record are passed over if a record is behind them: [`damaged`](Self::damaged) then tells how many they were.
    /// If none is, reading ends there, and [`torn`](Self::torn) tells how many bytes were left. It is no error, for a crash leaves such
    /// a tail.
    ///
    /// # Errors
    /// The disk refused to read. The call may be repeated.
    #[allow(
        clippy::should_implement_trait,
        reason = "it lends, and takes a limit: an Iterator can do neither"
    )]
    pub fn next(&mut self, committed: u64) -> Result<Option<Record<'_>>, StoreError> {
        loop {
            let below = usize::try_from(committed.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            let have = (self.buffer.len() - self.begin).min(below);
            let is_none = match parse(self.front.key, &self.buffer[self.begin..self.begin + have]) {
                Parsed::Whole(len) => return Ok(Some(self.take(len))),
                Parsed::Damaged => true,
                Parsed::Needs(needed) => {
                    // A damaged length asks for megabytes, and a file need not have them.
                    let is_there = needed <= CHUNK || needed as u64 <= self.left(committed)?;
                    needed > below || !is_there || !self.fill(needed, below)?
                }
            };
            if is_none && !self.pass_over(committed)? {
                return Ok(None);
            }
        }
    }

    /// Goes on to the next record behind bytes that are none; tells whether there is one.
    fn pass_over(&mut self, committed: u64) -> Result<bool, StoreError> {
        let left = self.left(committed)?;
        // Whoever follows a live journal comes back in a second: a thousand of them need not keep the buffer until then.
        (self.buffer, self.begin) = (Vec::new(), 0);
        let Some(next) = self.find_record(self.offset + 1, self.offset + left)? else {
            self.torn = left;
            return Ok(false);
        };
        self.damaged += next - self.offset;
        self.offset = next;
        self.is_behind_damage = true;
        Ok(true)
    }

    /// The record at the buffer's beginning, which was found whole.
    fn take(&mut self, len: usize) -> Record<'_> {
        let is_behind_damage = std::mem::take(&mut self.is_behind_damage);
        let bytes = &self.buffer[self.begin..self.begin + len];
        self.begin += len;
        self.offset += len as u64;
        self.torn = 0;
        self.last_us = time_of(self.front.key, bytes);
        Record { at_us: self.last_us, kind: bytes[16], payload: &bytes[RECORD_HEAD..], is_behind_damage }
    }

    /// Reads on until `needed` bytes are buffered, if the file has them; reads ahead, but nothing beyond `below`.
    fn fill(&mut self, needed: usize, below: usize) -> Result<bool, StoreError> {
        self.buffer.drain(..self.begin);
        self.begin = 0;
        let have = self.buffer.len();
        self.buffer.resize(needed.max(CHUNK).min(below).max(have), 0);
        let read = open::read_at(&self.file, &mut self.buffer[have..], self.offset + have as u64);
        self.buffer.truncate(have + *read.as_ref().unwrap_or(&0));
        // One long record must not leave its size behind for the rest of a long call.
        if self.buffer.capacity() > 4 * CHUNK && self.buffer.len() <= CHUNK {
            self.buffer.shrink_to(CHUNK);
        }
        read.at("read", &self.path)?;
        Ok(self.buffer.len() >= needed)
    }

    fn left(&self, committed: u64) -> Result<u64, StoreError> {
        let len = self.file.len().at("look at", &self.path)?;
        Ok(len.min(committed).saturating_sub(self.offset))
    }

    /// How many bytes below the limit of the last [`next`](Self::next) are no whole records, and have none behind them: 0 unless it
    /// gave none.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// How many bytes were passed over so far, since there were records behind them.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Whether the journal is damaged, and not only cut short: bytes were passed over, or so many looked as if a record began with
    /// them that it was not found out whether one does.
    pub fn is_damaged(&self) -> bool {
        self.damaged > 0 || self.checked > MOST_CHECKED
    }

    /// Where the first record from `from` on is that lies whole before `end`.
    fn find_record(&mut self, mut from: u64, end: u64) -> Result<Option<u64>, StoreError> {
        let mut window = Vec::new();
        while end.saturating_sub(from) >= RECORD_HEAD as u64 {
            window.resize((end - from).min(CHUNK as u64) as usize, 0);
            let read = open::read_at(&self.file, &mut window, from).at("read", &self.path)?;
            let heads = (read + 1).saturating_sub(RECORD_HEAD);
            for at in 0..heads {
                let offset = from + at as u64;
                let Some(len) = self.may_follow(&window[at..at + RECORD_HEAD], end - offset) else {
                    continue;
                };
                self.checked = self.checked.saturating_add(len);
                if self.checked > MOST_CHECKED {
                    return Ok(None);
                }
                let is_record = match parse(self.front.key, &window[at..read]) {
                    Parsed::Needs(_) => self.is_record(offset, len)?,
                    parsed => parsed != Parsed::Damaged,
                };
                if is_record {
                    return Ok(Some(offset));
                }
            }
            if heads == 0 {
                break;
            }
            from += heads as u64;
        }
        Ok(None)
    }

    /// How long a record is that may begin so behind the last that was read, where the file has so many bytes.
    fn may_follow(&self, head: &[u8], left: u64) -> Option<usize> {
        let payload = payload_of(self.front.key, head);
        let len = RECORD_HEAD + payload;
        let is_in_time = time_of(self.front.key, head).abs_diff(self.last_us) <= LONGEST_PAUSE_US;
        (payload <= MAX_PAYLOAD && len as u64 <= left && is_in_time).then_some(len)
    }

    fn is_record(&self, offset: u64, len: usize) -> Result<bool, StoreError> {
        let mut record = vec![0; len];
        let read = open::read_at(&self.file, &mut record, offset).at("read", &self.path)?;
        Ok(matches!(parse(self.front.key, &record[..read]), Parsed::Whole(_)))
    }

    /// Goes back to the first record.
    pub fn rewind(&mut self) {
        self.offset = self.front.first;
        self.buffer.clear();
        self.begin = 0;
        self.is_behind_damage = false;
        (self.torn, self.damaged, self.checked, self.last_us) = (0, 0, 0, 0);
    }
}
