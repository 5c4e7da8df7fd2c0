//! A journal while its call lives: made under a number of its own, appended to, removed when the recording is safe.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `callrecJ` |
//! | 4 | version of the format, little-endian: 2 |
//! | 4 | length of the caller's header, little-endian |
//! | 4 | key of the records' checksums, little-endian: a random number |
//! | 4 | CRC-32 of version, length, key and the caller's header |
//! | n | the caller's header |
//! | | records (see [`encode_record`](crate::encode_record)) |

pub(crate) mod sync;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::File;
use crate::error::{At, HeaderDamage, StoreError};
use crate::record::le_u32;
use crate::{CallId, JournalKey, JournalReader, RecordingsDir, dir, names, open};

const MAGIC: &[u8; 8] = b"callrecJ";
const VERSION: u32 = 2;
const FIXED: usize = 24;

/// The longest header of a journal, in bytes.
pub const MAX_HEADER: usize = 1024 * 1024;

/// The only writer of one journal. It holds the journal's lock as long as it, or a reader made by it, lives.
///
/// Dropping it leaves the journal to be recovered.
#[derive(Debug)]
pub struct JournalWriter {
    file: Arc<File>,
    dir: RecordingsDir,
    path: PathBuf,
    call: CallId,
    number: u32,
    committed: u64,
    /// A failed append may have left bytes behind the committed ones.
    soiled: bool,
    named: bool,
    /// How many syncs of everything had failed before it was made, or before it was last written again as a whole.
    failed_syncs: u64,
    /// A sync of this file failed since.
    is_doubted: bool,
}

impl RecordingsDir {
    /// A key for a journal that is to be made: one that nobody can guess.
    pub fn new_key(&self) -> JournalKey {
        // A simulated disk counts.
        JournalKey((self.disk().unique().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32)
    }

    /// Makes the journal of a call's new stream, and reserves the stream's number: the first from `min_number` (at
    /// least 1) on for which there is neither a journal nor a recording of any extension. `header` is the caller's,
    /// at most [`MAX_HEADER`] bytes; `key` that of the records, which may be encoded before the journal is made.
    ///
    /// However many threads and processes ask at once, no two get the same number. The journal has its header whole
    /// from the moment it has its name.
    ///
    /// # Errors
    /// The directory cannot be written to, or the header is too long. Nothing is left behind.
    pub fn create_journal(
        &self,
        call: &CallId,
        min_number: u32,
        key: JournalKey,
        header: &[u8],
    ) -> Result<JournalWriter, StoreError> {
        let failed_syncs = self.failed_syncs();
        let (file, temporary) = open::locked_temporary(self.disk(), self.own_journals()?, names::temporary)?;
        let made = header_bytes(key, header, &temporary)
            .and_then(|bytes| open::write_at(&file, &bytes, 0).at("write", &temporary).map(|()| bytes.len()))
            .and_then(|len| Ok((len, self.reserve(call, min_number, &temporary)?)));
        match made {
            Ok((len, (number, path))) => Ok(JournalWriter {
                file: Arc::new(file),
                dir: self.clone(),
                path,
                call: call.clone(),
                number,
                committed: len as u64,
                soiled: false,
                named: false,
                failed_syncs,
                is_doubted: false,
            }),
            Err(error) => {
                let _ = self.disk().remove(&temporary);
                Err(error)
            }
        }
    }

    /// Renames the journal at `temporary` to the first free number's name.
    fn reserve(
        &self,
        call: &CallId,
        min_number: u32,
        temporary: &Path,
    ) -> Result<(u32, PathBuf), StoreError> {
        let mut number = min_number.max(1);
        let mut path;
        loop {
            path = self.own_journals()?.join(names::journal(call, number));
            if self.recording_of(call, number)?.is_none() && !dir::exists(self.disk(), &aside(&path))? {
                match self.renaming().rename(self.disk(), temporary, &path) {
                    // While we looked, another may have taken the number, published its recording and removed its
                    // journal. Now that the number is ours nobody can, so this look is the last word.
                    Ok(()) => match self.recording_of(call, number) {
                        Ok(None) => return Ok((number, path)),
                        Ok(Some(_)) => self.give_back(&path, temporary)?,
                        Err(error) => {
                            self.give_back(&path, temporary)?;
                            return Err(error);
                        }
                    },
                    Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(cause) => return Err(StoreError::new("make", &path, cause)),
                }
            }
            number = number.checked_add(1).ok_or(StoreError::NoNumberFree { path })?;
        }
    }
}

impl RecordingsDir {
    /// Gives a reserved number back: the journal is a temporary file again, or gone if it cannot be.
    fn give_back(&self, path: &Path, temporary: &Path) -> Result<(), StoreError> {
        self.disk().rename(path, temporary).at("rename", path).inspect_err(|_| {
            let _ = self.disk().remove(path);
        })
    }
}

/// The name that an unreadable journal gets. Its number stays taken.
pub(crate) fn aside(journal: &Path) -> PathBuf {
    with_added(journal, ".bad")
}

/// The path with something behind its name.
pub(crate) fn with_added(path: &Path, what: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(what);
    name.into()
}

fn header_bytes(key: JournalKey, header: &[u8], path: &Path) -> Result<Vec<u8>, StoreError> {
    if header.len() > MAX_HEADER {
        let (bytes, limit) = (header.len() as u64, MAX_HEADER as u64);
        return Err(StoreError::TooLarge { path: path.to_owned(), bytes, limit });
    }
    let (version, len) = (VERSION.to_le_bytes(), (header.len() as u32).to_le_bytes());
    let fields = [version, len, key.0.to_le_bytes()].concat();
    let crc = header_checksum(&fields, header).to_le_bytes();
    Ok([MAGIC, &fields[..], &crc, header].concat())
}

fn header_checksum(fields: &[u8], header: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(fields);
    crc.update(header);
    crc.finalize()
}

/// What is in front of a journal's records.
#[derive(Debug)]
pub(crate) struct Front {
    /// The caller's header.
    pub(crate) header: Vec<u8>,
    pub(crate) key: JournalKey,
    /// Offset of the first record.
    pub(crate) first: u64,
}

pub(crate) fn read_front(file: &File, path: &Path) -> Result<Result<Front, HeaderDamage>, StoreError> {
    let mut fixed = [0; FIXED];
    let got = open::read_at(file, &mut fixed, 0).at("read", path)?;
    if got < FIXED || fixed[..8] != *MAGIC {
        return Ok(Err(HeaderDamage::Damaged));
    }
    let (version, len, key, crc) = (&fixed[8..12], &fixed[12..16], &fixed[16..20], &fixed[20..24]);
    if le_u32(version) != VERSION {
        return Ok(Err(HeaderDamage::Version(le_u32(version))));
    }
    let bytes = le_u32(len) as usize;
    if bytes > MAX_HEADER || (FIXED + bytes) as u64 > file.len().at("look at", path)? {
        return Ok(Err(HeaderDamage::Damaged));
    }
    let mut header = vec![0; bytes];
    let got = open::read_at(file, &mut header, FIXED as u64).at("read", path)?;
    if got < bytes || header_checksum(&fixed[8..20], &header) != le_u32(crc) {
        return Ok(Err(HeaderDamage::Damaged));
    }
    Ok(Ok(Front { header, key: JournalKey(le_u32(key)), first: (FIXED + bytes) as u64 }))
}

impl JournalWriter {
    /// Writes whole records (made by [`encode_record`](crate::encode_record)) at the committed offset.
    ///
    /// # Errors
    /// The disk refused. Nothing is committed; what was written in part is cut off or overwritten by the next append,
    /// which may well succeed.
    pub fn append(&mut self, records: &[u8]) -> Result<(), StoreError> {
        // Without this cut, a shorter append could be followed by an old record that begins where it ends.
        self.cut()?;
        if let Err(cause) = open::write_at(&self.file, records, self.committed) {
            self.soiled = self.file.set_len(self.committed).is_err();
            return Err(StoreError::new("write", &self.path, cause));
        }
        self.committed += records.len() as u64;
        Ok(())
    }

    /// Cuts off what an append wrote before it failed, if that could not be cut off at once. Whoever reads the journal later would
    /// take that for committed.
    ///
    /// # Errors
    /// The disk refuses this too.
    pub fn cut(&mut self) -> Result<(), StoreError> {
        if self.soiled {
            self.file.set_len(self.committed).at("cut", &self.path)?;
            self.soiled = false;
        }
        Ok(())
    }

    /// The length of the journal, header included, up to which everything was written, in bytes.
    pub fn committed(&self) -> u64 {
        self.committed
    }

    /// The number of the stream within its call, from 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The call.
    pub fn call(&self) -> &CallId {
        &self.call
    }

    /// The journal's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader from the first record on. It may be used on another thread while this writer goes on; give it
    /// [`committed`](Self::committed) as the limit.
    ///
    /// # Errors
    /// The header cannot be read back.
    pub fn reader(&self) -> Result<JournalReader, StoreError> {
        JournalReader::new(Arc::clone(&self.file), self.path.clone())
    }

    /// Removes the journal: the recording is safe, or there is nothing to record.
    ///
    /// # Errors
    /// The system refused; the journal will be recovered at the next start.
    pub fn remove(self) -> Result<(), StoreError> {
        self.dir.disk().remove(&self.path).at("remove", &self.path)
    }

    /// As [`LockedJournal::set_aside`](crate::LockedJournal::set_aside).
    ///
    /// # Errors
    /// The system refused.
    pub fn set_aside(self) -> Result<PathBuf, StoreError> {
        crate::recovery::set_aside(&self.dir, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::encode_record;

    const KEY: JournalKey = JournalKey::new(0x5eed);

    #[test]
    fn a_failed_append_commits_nothing_and_leaves_nothing_that_could_be_read() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        let mut journal = dir.create_journal(&CallId::new("CA1").unwrap(), 1, KEY, b"h").unwrap();
        let (mut lost, mut kept) = (Vec::new(), Vec::new());
        encode_record(KEY, 1, 1, b"lost A", &mut lost).unwrap();
        encode_record(KEY, 2, 1, b"lost B", &mut lost).unwrap();
        encode_record(KEY, 3, 1, b"kept C", &mut kept).unwrap();
        let before = journal.committed();

        // A descriptor that cannot write stands for a disk that refuses ...
        let writable = Arc::clone(&journal.file);
        journal.file = Arc::new(File::System(fs::File::open(&journal.path).unwrap()));
        assert!(journal.append(&lost).is_err());
        assert_eq!(journal.committed(), before);
        assert!(journal.soiled, "the cut was refused as well");
        // ... but had already taken both records, before it said no.
        journal.file = writable;
        open::write_at(&journal.file, &lost, before).unwrap();

        journal.cut().unwrap();
        assert_eq!(fs::metadata(&journal.path).unwrap().len(), before);
        journal.append(&kept).unwrap();
        let mut reader = journal.reader().unwrap();
        assert_eq!(reader.next(u64::MAX).unwrap().unwrap().payload, b"kept C");
        assert_eq!(reader.next(u64::MAX).unwrap(), None, "record B began where C ends");
        assert_eq!(reader.torn(), 0);
    }

    #[test]
    fn numbers_of_journals_recordings_and_unreadable_journals_are_taken() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path()).unwrap();
        let call = CallId::new("CA1").unwrap();
        fs::write(aside(&dir.journals().join(names::journal(&call, 1))), "unreadable").unwrap();
        fs::write(dir.recording_path(&call, 2, "flac"), "audio").unwrap();
        let third = dir.create_journal(&call, 1, KEY, b"").unwrap();
        assert_eq!(
            [1, 2, 3, 4].map(|number| dir.is_taken(&call, number).unwrap()),
            [true, true, true, false]
        );
        assert_eq!(third.number(), 3);
        assert_eq!(dir.create_journal(&call, 0, KEY, b"").unwrap().number(), 4);
        assert_eq!(dir.create_journal(&call, 9, KEY, b"").unwrap().number(), 9);
    }

    #[cfg(unix)]
    #[test]
    fn no_number_is_reserved_in_a_directory_that_became_a_link_meanwhile() {
        let home = tempfile::tempdir().unwrap();
        let dir = RecordingsDir::open(home.path().join("responses")).unwrap();
        let (temporary, outside) = (home.path().join("temporary"), home.path().join("outside"));
        fs::write(&temporary, "header").unwrap();
        fs::create_dir(&outside).unwrap();
        fs::remove_dir(dir.journals()).unwrap();
        std::os::unix::fs::symlink(&outside, dir.journals()).unwrap();
        let refused = dir.reserve(&CallId::new("CA1").unwrap(), 1, &temporary).unwrap_err();
        assert!(matches!(refused, StoreError::SymbolicLink { .. }), "{refused}");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }
}
