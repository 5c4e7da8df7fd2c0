//! What a call's journals and recordings hold, to look at: how loud both sides are, when the assistant spoke, what cut it
//! off, where audio is missing, how long marks took.
//!
//! Looking changes nothing: no lock is taken and nothing is made. A journal knows all of it, that of a live call as far as
//! it is written; a recording whose journal is gone is decoded, and what its summary noted is put beside it.
//!
//! ```
//! use callrec::inspect::Inspection;
//! use callrec::{Audio, CallOptions, Recorder};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let responses = home.path().join("responses");
//! let recorder = Recorder::builder(&responses).start()?;
//! let call = recorder.start_call(CallOptions::new("CA123"))?;
//! call.caller_at(0, Audio::mulaw(&[0x10; 160])); // 20 ms
//! call.caller_at(60, Audio::mulaw(&[0x10; 160])); // 40 ms later than it should be
//! call.flush();
//!
//! let live = Inspection::of_call(&responses, "CA123")?;
//! let stream = &live.streams[0];
//! assert_eq!((stream.duration_ms, stream.ended), (80, None));
//! assert_eq!(stream.notes.as_ref().map(|notes| notes.gaps[0].begin_ms), Some(20));
//! # Ok(())
//! # }
//! ```

mod error;
mod journal;
mod levels;
mod marks;
mod recording;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use callrec_session::{Completeness, EndReason, Line, Notes, Topology};
use callrec_store::{CallId, EXTENSIONS, JournalReader, ReadOnlyDir, StoreError};
use callrec_summary::{CallSummary, LocalTime, parse_json};
use serde::Serialize;

pub use error::InspectError;
pub use levels::{Level, TrackLevels, Voice};
pub use marks::{Delays, Mark, Marks};

/// A call as it can be looked at. The JSON of it is stable: fields are only added.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Of the shape of this JSON: [`Inspection::VERSION`]. Counted up when an old reader would misunderstand.
    pub version: u32,
    /// The call's name at the provider (Twilio: the call SID); none of a recording whose name tells none.
    pub call: Option<String>,
    /// Its streams, by number; one if a journal or a recording was asked for.
    pub streams: Vec<StreamInspection>,
}

/// One media connection of a call. Times are milliseconds since it began.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct StreamInspection {
    /// Which stream of the call it is, from 1.
    pub number: u32,
    /// Its name at the provider (Twilio: the stream SID), if that is known.
    pub stream: Option<String>,
    /// What was looked at.
    pub source: Source,
    /// When it began, if that is known.
    pub started_at: Option<LocalTime>,
    /// How long its audio is.
    pub duration_ms: u64,
    /// How it ended; none if it has not, as far as was written: it is live, or its recorder was interrupted.
    pub ended: Option<EndReason>,
    /// Whether the recording was made from a journal that was left: by a later start after a crash, or when the disk had room again.
    pub recovered: bool,
    /// Where the assistant's audio came from; none if only the recording is left.
    pub topology: Option<Topology>,
    /// The recording's format; of a journal the one it will have.
    pub format: Option<FileFormat>,
    /// How loud who was: caller and assistant, or both in one.
    pub tracks: Vec<TrackLevels>,
    /// When the assistant spoke, what cut it off, and where audio is missing; none if that is not known any more.
    pub notes: Option<Notes>,
    /// Speech that was sent to the caller and not yet heard when the journal ended, in milliseconds; of a live call.
    pub queued_ms: u64,
    /// What became of playback marks; only a relay's journal knows.
    pub marks: Option<Marks>,
    /// What was said.
    pub lines: Vec<Line>,
    /// Whether all that was sent is in its place; none if that is not known.
    pub complete: Option<bool>,
    /// What is missing, in numbers.
    pub completeness: Option<Completeness>,
    /// The same in words.
    pub sentences: Vec<String>,
    /// What else is to be known of it, in words: why there is no audio, or what could not be read.
    pub remarks: Vec<String>,
}

/// What was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Source {
    /// A journal, from which the recording is, or will be, made.
    Journal {
        /// Its file.
        path: PathBuf,
    },
    /// A recording, and its summary if there is one.
    Recording {
        /// Its file.
        path: PathBuf,
    },
    /// A summary alone: there is no recording.
    Summary {
        /// Its file.
        path: PathBuf,
    },
}

/// A recording's format.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct FileFormat {
    /// By the file name's ending: `mp3`, `wav`, `ogg` or `flac`.
    pub format: String,
    /// Samples a second of each channel.
    pub rate_hz: u32,
    /// 2: left the caller, right the assistant; 1: both in one.
    pub channels: u8,
    /// The constant bitrate in kbit/s (1,000 bits), where the format has one and it is known.
    pub bitrate_kbps: Option<u32>,
    /// The size of the file in bytes, if there is one.
    pub size_bytes: Option<u64>,
}

impl Inspection {
    /// The version of the JSON.
    pub const VERSION: u32 = 1;

    /// A call's streams in a recordings directory: their journals where there are any, their recordings elsewhere.
    ///
    /// # Errors
    /// There is no such call, and where it was looked for; or what there is cannot be read.
    pub fn of_call(directory: impl AsRef<Path>, call: &str) -> Result<Self, InspectError> {
        let call = CallId::new(call)?;
        let dir = ReadOnlyDir::new(directory.as_ref());
        // The journals first: one that is finished meanwhile is then in the summary.
        let mut streams = BTreeMap::new();
        for (number, path) in dir.journals_of(&call)? {
            match JournalReader::open(&path) {
                Ok(reader) => {
                    streams.insert(number, journal::inspect(reader, number)?.1);
                }
                Err(error) if is_missing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(bytes) = dir.summary_of(&call)? {
            let path = dir.path().join(format!("call_{call}_summary.json"));
            let summary = read_summary(&path, &bytes)?;
            for stream in &summary.streams {
                streams.entry(stream.number).or_insert_with(|| recording::of_summary(&dir, &path, stream));
            }
        }
        for (number, path) in dir.recordings_of(&call)? {
            if let Entry::Vacant(free) = streams.entry(number) {
                free.insert(recording::alone(&dir, &path, number)?);
            }
        }
        if streams.is_empty() {
            return Err(InspectError::NoSuchCall { call, dir });
        }
        let streams = streams.into_values().collect();
        Ok(Self { version: Self::VERSION, call: Some(call.to_string()), streams })
    }

    /// A journal, a recording, or the call of a summary, by the path of the file. A recording's summary is looked for
    /// beside it.
    ///
    /// # Errors
    /// There is no such file, it is of another kind, or it cannot be read.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self, InspectError> {
        let path = path.as_ref();
        if !path.is_file() {
            return Err(InspectError::NoSuchFile { path: path.to_owned() });
        }
        let dir = ReadOnlyDir::new(path.parent().unwrap_or(Path::new("")));
        let owner = ReadOnlyDir::owner_of(path);
        let number = owner.as_ref().and_then(|owner| owner.1);
        let extension = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if extension == "journal" {
            let (call, stream) = journal::inspect(JournalReader::open(path)?, number.unwrap_or(1))?;
            return Ok(Self { version: Self::VERSION, call: Some(call), streams: vec![stream] });
        }
        if EXTENSIONS.contains(&extension) {
            return Self::of_recording(&dir, path, owner);
        }
        match owner {
            Some((call, _)) => Self::of_call(dir.path(), call.as_str()),
            None => Err(InspectError::UnknownKind { path: path.to_owned() }),
        }
    }

    fn of_recording(
        dir: &ReadOnlyDir,
        path: &Path,
        owner: Option<(CallId, Option<u32>)>,
    ) -> Result<Self, InspectError> {
        let number = owner.as_ref().and_then(|owner| owner.1).unwrap_or(1);
        let call = owner.map(|owner| owner.0);
        let bytes = call.as_ref().map(|call| dir.summary_of(call)).transpose()?.flatten();
        let summary = bytes.map(|bytes| read_summary(path, &bytes)).transpose()?;
        let named = |file: &str| path.file_name().is_some_and(|name| name == file);
        let noted = summary.as_ref().and_then(|summary| {
            let mut streams = summary.streams.iter();
            streams.find(|stream| stream.audio.file().is_some_and(|file| named(&file.file_name)))
        });
        let stream = match noted {
            Some(stream) => recording::of_summary(dir, path, stream),
            None => recording::alone(dir, path, number)?,
        };
        let call = call.map(|call| call.to_string());
        Ok(Self { version: Self::VERSION, call, streams: vec![stream] })
    }
}

fn read_summary(path: &Path, bytes: &[u8]) -> Result<CallSummary, InspectError> {
    parse_json(bytes).map_err(|error| InspectError::Summary { path: path.to_owned(), error })
}

fn is_missing(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { cause, .. } if cause.kind() == std::io::ErrorKind::NotFound)
}
