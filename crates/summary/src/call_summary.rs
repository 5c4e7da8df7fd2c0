//! What is known of a call when it is over; the JSON for programs is this, field by field.

use callrec_session::{Completeness, EndReason, Line, Notes};
use serde::{Deserialize, Serialize};

use crate::LocalTime;

/// A finished call: its streams, what was said, and what became of the audio.
///
/// Fields that a reader does not know are skipped, and those that came later have defaults, so that readers and
/// writers of one [`version`](CallSummary::version) understand each other whatever their age.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallSummary {
    /// Of the shape of this JSON: [`CallSummary::VERSION`]. Counted up when an old reader would misunderstand.
    pub version: u32,
    /// The call's name at the provider (Twilio: the call SID).
    pub call: String,
    /// When the last of its streams ended.
    pub completed_at: LocalTime,
    /// Its streams, by number.
    pub streams: Vec<StreamSummary>,
}

impl CallSummary {
    /// The version that this crate writes, and the highest that it reads.
    pub const VERSION: u32 = 1;

    /// A call of which no stream is known yet.
    pub fn new(call: impl Into<String>, completed_at: LocalTime) -> Self {
        Self { version: Self::VERSION, call: call.into(), completed_at, streams: Vec::new() }
    }

    /// Adds a stream, or replaces the one of the same number; finishing a stream twice changes nothing.
    ///
    /// The call is complete when the last of its streams is: [`completed_at`](Self::completed_at) moves ahead with
    /// [`StreamSummary::ended_at`], never back.
    pub fn put_stream(&mut self, stream: StreamSummary) {
        self.completed_at = self.completed_at.max(stream.ended_at());
        match self.streams.binary_search_by_key(&stream.number, |s| s.number) {
            Ok(at) => self.streams[at] = stream,
            Err(at) => self.streams.insert(at, stream),
        }
    }

    /// Every transcript line of the call, in the order of the streams.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.streams.iter().flat_map(|stream| &stream.lines)
    }
}

/// One media connection of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StreamSummary {
    /// Which stream of the call it is, from 1; it tells the recordings of a call apart.
    pub number: u32,
    /// Its name at the provider (Twilio: the stream SID).
    pub stream: String,
    /// When it began.
    pub started_at: LocalTime,
    /// How long it lasted, in milliseconds of the provider's clock.
    pub duration_ms: u64,
    /// How it ended.
    pub ended: EndReason,
    /// Whether the recording was made from a journal that was left: by a later start after a crash, or when the disk had room again.
    #[serde(default)]
    pub recovered: bool,
    /// What became of the audio.
    pub audio: AudioOutcome,
    /// What is missing from what was received.
    #[serde(default)]
    pub completeness: Completeness,
    /// What was said in it; times count from its beginning.
    #[serde(default)]
    pub lines: Vec<Line>,
    /// When the assistant spoke, what cut it off and where audio is missing, as far as it is known; times count from the
    /// stream's beginning. `None` where an earlier release wrote the summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<Notes>,
}

impl StreamSummary {
    /// A stream of which nothing was heard or said; fill in the rest.
    pub fn new(number: u32, stream: impl Into<String>, started_at: LocalTime, ended: EndReason) -> Self {
        Self {
            number,
            stream: stream.into(),
            started_at,
            duration_ms: 0,
            ended,
            recovered: false,
            audio: AudioOutcome::NoAudio,
            completeness: Completeness::default(),
            lines: Vec::new(),
            notes: None,
        }
    }

    /// When it ended.
    pub fn ended_at(&self) -> LocalTime {
        self.started_at.plus_ms(self.duration_ms)
    }
}

/// What became of a stream's audio.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AudioOutcome {
    /// It is in a file, which was read back and found whole.
    Recorded(AudioFile),
    /// Nothing was kept of it, as the settings say.
    RecordingOff,
    /// Recording was on, but neither party sent any audio.
    NoAudio,
    /// There was audio, and no file could be made of it.
    NotSaved {
        /// What went wrong, and where the audio is now, in words for people.
        reason: String,
    },
}

impl AudioOutcome {
    /// The file, if there is one.
    pub fn file(&self) -> Option<&AudioFile> {
        match self {
            AudioOutcome::Recorded(file) => Some(file),
            _ => None,
        }
    }
}

/// A finished recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AudioFile {
    /// Its name in the recordings directory.
    pub file_name: String,
    /// Where it was written, as an absolute path.
    pub full_path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was made.
    pub created_at: LocalTime,
    /// Its format by the file name's ending: `mp3`, `wav`, `ogg` or `flac`.
    pub format: String,
    /// The format that was asked for, if it could not be written and [`format`](Self::format) took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_format: Option<String>,
    /// Samples a second of each channel.
    pub rate_hz: u32,
    /// 2: left the caller, right the assistant; 1: both in one.
    pub channels: u8,
    /// The constant bitrate in kbit/s (1,000 bits); `None` where the format has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate_kbps: Option<u32>,
    /// How long it plays, in milliseconds.
    pub duration_ms: u64,
    /// The SHA-256 of the file, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
}

impl AudioFile {
    /// A file of this name, place, size and moment; fill in the rest.
    pub fn new(
        file_name: impl Into<String>,
        full_path: impl Into<String>,
        size_bytes: u64,
        created_at: LocalTime,
    ) -> Self {
        let file_name = file_name.into();
        let format = file_name.rsplit_once('.').map_or("", |(_, extension)| extension).to_owned();
        Self {
            file_name,
            full_path: full_path.into(),
            size_bytes,
            created_at,
            format,
            requested_format: None,
            rate_hz: 8000,
            channels: 2,
            bitrate_kbps: None,
            duration_ms: 0,
            sha256: String::new(),
        }
    }
}
