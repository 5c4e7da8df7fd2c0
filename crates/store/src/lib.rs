//! The files of recorded calls: names, journals, partial files that are published whole, clean-up after a crash.
//!
//! This is the only crate of callrec that opens journals and recordings. It knows nothing of audio: a journal holds
//! records of bytes, a recording is bytes with an extension. It reads no clock and no environment.
//!
//! # The life of a recording
//!
//! 1. [`create_journal`](RecordingsDir::create_journal) reserves the stream's number and holds the journal's lock.
//! 2. [`append`](JournalWriter::append) as things happen; [`sync`](RecordingsDir::sync) once a second for all calls.
//! 3. [`create_partial`](RecordingsDir::create_partial), filled from the journal's [reader](JournalWriter::reader).
//! 4. [`publish`](Partial::publish) when the stream has ended: the file is whole and on disk before it has its name.
//! 5. [`write_atomic`](RecordingsDir::write_atomic) for transcript and summary, under the [`CallLock`].
//! 6. [`remove`](JournalWriter::remove) the journal.
//!
//! After a crash, the next start finds the journals whose lock is free
//! ([`free_journals`](RecordingsDir::free_journals)), goes on at step 3 with each, and
//! [cleans up](RecordingsDir::clean_up) the partial files of the dead.
//!
//! ```
//! use callrec_store::{CallId, RecordingsDir, encode_record};
//!
//! # let home = tempfile::tempdir()?;
//! # let responses = home.path().join("responses");
//! let dir = RecordingsDir::open(&responses)?;
//! let call = CallId::new("CA123")?;
//!
//! let key = dir.new_key();
//! let mut journal = dir.create_journal(&call, 1, key, b"what the reader must know")?;
//! let mut records = Vec::new();
//! encode_record(key, 20_000, 1, b"a frame of audio", &mut records)?;
//! journal.append(&records)?;
//!
//! let mut partial = dir.create_partial(&call, journal.number(), "wav")?;
//! let mut reader = journal.reader()?;
//! while let Some(record) = reader.next(journal.committed())? {
//!     partial.write(record.payload)?;
//! }
//! let recording = partial.publish()?;
//! assert!(recording.ends_with("call_CA123_conversation.wav"));
//!
//! dir.write_atomic("call_CA123_summary.txt", b"=== CALL SUMMARY ===\n")?;
//! journal.remove()?;
//! assert_eq!(dir.calls()?[0].call, call);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Files
//!
//! | name | what |
//! |---|---|
//! | `call_<call>_conversation.<ext>` | the recording of the first stream |
//! | `call_<call>_conversation_2.<ext>` | of the second, and so on |
//! | `call_<call>.txt` | transcript |
//! | `call_<call>_summary.txt`, `call_<call>_summary.json` | summary, for people and for programs |
//! | `.journal/<call>_<number>.journal` | journal of a stream |
//! | `.journal/<call>_<number>.attempts` | recordings of it that were begun and ended the process, a line each |
//! | `.journal/*.partial`, `.journal/*.tmp` | not finished; locked as long as their owner lives |
//! | `.journal/calls-*.lock` | 64 lock files, see [`CallLock`] |
//!
//! # Names that replace nothing
//!
//! Journals and recordings get their names by `renameat2` with `RENAME_NOREPLACE`: of two that want one name, one is told that
//! it is taken, whatever threads and processes they are. Where kernel or file system lack it (`EINVAL`, `ENOSYS`; network
//! and FUSE file systems, for the most part), a hard link and an unlink take its place, which cannot replace either.
//! Transcripts and summaries are replaced, by a plain `rename`.
//!
//! # Locks and child processes
//!
//! A lock belongs to an open file, and a process that is being spawned has its parent's open files until it runs its
//! own program. For that moment a lock that was just given up still looks owned; look again later.
//!
//! # Platforms
//!
//! Linux is what it was made for and tested on. macOS and Windows use what the standard library has: hard link and
//! unlink in place of a rename that cannot replace, and a sync of each journal in place of one for all. On a file
//! system that ignores case, calls whose names differ only in case would share files.

#![allow(clippy::disallowed_methods, reason = "this crate is where files are opened, renamed and removed")]

mod attempts;
mod call_id;
mod call_lock;
mod dir;
mod disk;
mod error;
mod finished;
mod journal;
mod look;
mod names;
mod open;
mod partial;
mod reader;
mod record;
mod recovery;
mod rename;
#[cfg(feature = "simulation")]
#[doc(hidden)]
pub mod simulation;
mod texts_mark;

pub use attempts::Attempt;
pub use call_id::{CallId, CallIdError};
pub use call_lock::CallLock;
pub use dir::{OpenToStrangers, Readers, RecordingsDir};
pub use error::{HeaderDamage, PublishError, StoreError};
pub use finished::{FinishedCall, MAX_TEXT};
pub use journal::{JournalWriter, MAX_HEADER};
pub use look::ReadOnlyDir;
pub use names::{EXTENSIONS, path_for_log};
pub use partial::Partial;
pub use reader::JournalReader;
pub use record::{JournalKey, MAX_PAYLOAD, Record, RecordTooLong, append_record, encode_record};
pub use recovery::{CleanUp, FreeJournal, LockedJournal};
