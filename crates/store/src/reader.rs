//! Reads a journal's records from its beginning, below a limit, with memory bounded by one record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::File;
use crate::error::{At, StoreError};
use crate::record::{MAX_PAYLOAD, Parsed, RECORD_HEAD, Record, le_u32, parse};
use crate::{journal, open};

/// How much is read at once, in bytes; a longer record is read in one piece.
const CHUNK: usize = 64 * 1024;
/// How many bytes are looked at as those of a record that may be none.
const MOST_CHECKED: usize = 16 * MAX_PAYLOAD;
/// How long nothing may have happened in a call before a record, in microseconds: a week. Hardly any bytes that are no record say so.
const LONGEST_PAUSE_US: u64 = 7 * 24 * 3600 * 1_000_000;

/// Reads the records of one journal, in order. It keeps the journal's lock alive.
#[derive(Debug)]
pub struct JournalReader {
    file: Arc<File>,
    path: PathBuf,
    header: Vec<u8>,
    first: u64,
    /// Offset in the file of `buffer[begin]`.
    offset: u64,
    buffer: Vec<u8>,
    begin: usize,
    damaged: bool,
    torn: u64,
    /// The limit that was given last.
    below: u64,
    /// When the last record came that was read.
    last_us: u64,
}

impl JournalReader {
    pub(crate) fn new(file: Arc<File>, path: PathBuf) -> Result<Self, StoreError> {
        match journal::read_header(&file, &path)? {
            Ok((header, first)) => Ok(Self {
                file,
                path,
                header,
                first,
                offset: first,
                buffer: Vec::new(),
                begin: 0,
                damaged: false,
                torn: 0,
                below: u64::MAX,
                last_us: 0,
            }),
            Err(damage) => Err(StoreError::Journal { path, damage }),
        }
    }

    /// The bytes given to [`create_journal`](crate::RecordingsDir::create_journal).
    pub fn header(&self) -> &[u8] {
        &self.header
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
    /// A record that is cut short, or whose checksum is wrong, is where reading ends: [`torn`](Self::torn) then tells
    /// how many bytes were left. It is no error, for a crash leaves such a tail, and nothing behind it can be trusted.
    ///
    /// # Errors
    /// The disk refused to read. The call may be repeated.
    #[allow(
        clippy::should_implement_trait,
        reason = "it lends, and takes a limit: an Iterator can do neither"
    )]
    pub fn next(&mut self, committed: u64) -> Result<Option<Record<'_>>, StoreError> {
        if self.damaged {
            return Ok(None);
        }
        self.below = committed;
        loop {
            let below = usize::try_from(committed.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            let have = (self.buffer.len() - self.begin).min(below);
            let needed = match parse(&self.buffer[self.begin..self.begin + have]) {
                Parsed::Whole(_, len) => return Ok(Some(self.take(len))),
                Parsed::Damaged => {
                    self.damaged = true;
                    self.torn = self.left(committed)?;
                    return Ok(None);
                }
                Parsed::Needs(needed) => needed,
            };
            // A damaged length asks for megabytes, and a file need not have them.
            let is_there = needed <= CHUNK || needed as u64 <= self.left(committed)?;
            if needed > below || !is_there || !self.fill(needed, below)? {
                self.torn = self.left(committed)?;
                // Whoever follows a live journal comes back in a second: a thousand of them need not keep it until then.
                (self.buffer, self.begin) = (Vec::new(), 0);
                return Ok(None);
            }
        }
    }

    /// The record at the buffer's beginning, which was found whole.
    fn take(&mut self, len: usize) -> Record<'_> {
        let bytes = &self.buffer[self.begin..self.begin + len];
        self.begin += len;
        self.offset += len as u64;
        self.torn = 0;
        let at_us = bytes[8..16].iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b));
        self.last_us = at_us;
        Record { at_us, kind: bytes[16], payload: &bytes[RECORD_HEAD..] }
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

    /// How many bytes below the limit of the last [`next`](Self::next) are no whole records: 0 unless it gave none.
    pub fn torn(&self) -> u64 {
        self.torn
    }

    /// Whether whole records lie behind the place where reading ended: then the journal is damaged, and not cut short. They are looked
    /// for, and not read, for bytes that a stranger sent may pass for a record. Where too many bytes look as if one began there, it is
    /// said that there are some.
    ///
    /// # Errors
    /// The disk refused to read.
    pub fn has_records_behind(&self) -> Result<bool, StoreError> {
        let end = self.offset + self.left(self.below)?;
        let (mut from, mut window, mut checked) = (self.offset + 1, Vec::new(), 0);
        while end.saturating_sub(from) >= RECORD_HEAD as u64 {
            window.resize((end - from).min(CHUNK as u64) as usize, 0);
            let read = open::read_at(&self.file, &mut window, from).at("read", &self.path)?;
            let heads = window[..read].windows(RECORD_HEAD);
            if heads.len() == 0 {
                return Ok(false);
            }
            let next = from + heads.len() as u64;
            for (head, offset) in heads.zip(from..) {
                let Some(len) = self.may_follow(head, end - offset) else { continue };
                checked += len;
                if checked > MOST_CHECKED || self.is_record(offset, len)? {
                    return Ok(true);
                }
            }
            from = next;
        }
        Ok(false)
    }

    /// How long a record is that may begin so behind the last that was read, where the file has so many bytes.
    fn may_follow(&self, head: &[u8], left: u64) -> Option<usize> {
        let payload = le_u32(&head[..4]) as usize;
        let len = RECORD_HEAD + payload;
        let at_us = head[8..16].iter().rev().fold(0, |sum, &b| sum << 8 | u64::from(b));
        let in_time = self.last_us..=self.last_us.saturating_add(LONGEST_PAUSE_US);
        (payload <= MAX_PAYLOAD && len as u64 <= left && in_time.contains(&at_us)).then_some(len)
    }

    fn is_record(&self, offset: u64, len: usize) -> Result<bool, StoreError> {
        let mut record = vec![0; len];
        let read = open::read_at(&self.file, &mut record, offset).at("read", &self.path)?;
        Ok(matches!(parse(&record[..read]), Parsed::Whole(..)))
    }

    /// Goes back to the first record.
    pub fn rewind(&mut self) {
        self.offset = self.first;
        self.buffer.clear();
        self.begin = 0;
        self.damaged = false;
        (self.torn, self.below, self.last_us) = (0, u64::MAX, 0);
    }
}
