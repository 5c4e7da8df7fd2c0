//! What can be asked about calls: their state, and their files.

use std::path::PathBuf;

use callrec_store::{CallId, RecordingsDir};
use callrec_summary::{AudioFile, AudioOutcome, CallSummary, LocalTime, parse_json};
use serde::Serialize;

use crate::finish::file_name;
use crate::refusals::Refusals;

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// It is being recorded.
    Live,
    /// It has ended, and its recording is being completed.
    Finishing,
    /// Its files are there.
    Finished,
}

/// A call, or one of its streams while it is live.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct CallStatus {
    /// Its name at the provider (Twilio: the call SID).
    pub call: String,
    /// The media connection; of a finished call the last one.
    pub stream: String,
    /// How far it is.
    pub state: CallState,
    /// When the stream began.
    pub started_at: LocalTime,
    /// The format of the recording; of a finished call none, if there is no audio.
    pub format: Option<String>,
    /// How long it lasted, in milliseconds; none while it is live.
    pub duration_ms: Option<u64>,
}

/// Calls, as many as are listed at once.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct CallList {
    /// The live streams, and the finished calls, the latest first.
    pub calls: Vec<CallStatus>,
    /// How many finished calls there are besides, earlier than those.
    pub left_out: usize,
}

/// The files of a call, and what its summary says.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct CallFiles {
    /// The recording, of several streams the first that has one; none if there is no audio.
    pub audio: Option<PathBuf>,
    /// Every recording of the call, by stream.
    pub recordings: Vec<PathBuf>,
    /// The transcript.
    pub transcript: PathBuf,
    /// The summary for people.
    pub summary: PathBuf,
    /// The summary for programs.
    pub summary_json: PathBuf,
    /// What the summary says.
    pub details: CallSummary,
}

impl CallFiles {
    pub(crate) fn of(dir: &RecordingsDir, call: &CallId, details: CallSummary) -> Self {
        // The name alone: a summary may be older than the place that the directory has now.
        let path = |file: &AudioFile| dir.path().join(file_name(file.file_name.as_ref()));
        let recordings: Vec<PathBuf> =
            details.streams.iter().filter_map(|stream| stream.audio.file()).map(path).collect();
        Self {
            audio: recordings.first().cloned(),
            recordings,
            transcript: dir.transcript_path(call),
            summary: dir.summary_path(call),
            summary_json: dir.summary_json_path(call),
            details,
        }
    }

    /// The files of a finished call; none if it has no readable summary.
    pub(crate) fn read(dir: &RecordingsDir, call: &CallId) -> Option<Self> {
        let json = dir.read_file(&file_name(&dir.summary_json_path(call))).ok()??;
        Some(Self::of(dir, call, parse_json(&json).ok()?))
    }

    pub(crate) fn status(&self) -> CallStatus {
        let last = self.details.streams.last();
        let file = self.details.streams.iter().rev().find_map(|stream| stream.audio.file());
        CallStatus {
            call: self.details.call.clone(),
            stream: last.map(|stream| stream.stream.clone()).unwrap_or_default(),
            state: CallState::Finished,
            started_at: self
                .details
                .streams
                .first()
                .map_or(self.details.completed_at, |stream| stream.started_at),
            format: file.map(|file| file.format.clone()),
            duration_ms: Some(self.details.streams.iter().map(|stream| stream.duration_ms).sum()),
        }
    }

    /// The recording of the stream with this number, counted from 1; none if it has none.
    #[must_use]
    pub fn recording(&self, number: u32) -> Option<PathBuf> {
        let stream = self.details.streams.iter().find(|stream| stream.number == number)?;
        Some(self.summary.with_file_name(file_name(stream.audio.file()?.file_name.as_ref())))
    }

    /// The summary for people, as it was written.
    #[must_use]
    pub fn summary_text(&self) -> String {
        callrec_summary::summary_text(&self.details)
    }

    /// Whether every stream that had audio has a recording. If not, the summary says whether its audio waits in the journal, or
    /// is lost.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        !self.details.streams.iter().any(|stream| matches!(stream.audio, AudioOutcome::NotSaved { .. }))
    }
}

/// The files of a finished call in a directory that no recorder of this process need have open; none if there is no such
/// call, or no such directory.
#[must_use]
pub fn files_of(directory: impl AsRef<std::path::Path>, call: &str) -> Option<CallFiles> {
    let call = CallId::new(call).ok()?;
    if !directory.as_ref().is_dir() {
        return None;
    }
    CallFiles::read(&RecordingsDir::open(directory).ok()?, &call)
}

/// How the recorder is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Streams being recorded.
    pub live: usize,
    /// Streams that have ended and are being completed.
    pub finishing: usize,
    /// How many there may be of both together.
    pub most: usize,
    /// Bytes that wait for the disk, over all calls, beside the little that each may have of its own.
    pub waiting_bytes: u64,
    /// How many there may be; beyond, events are dropped and counted.
    pub most_waiting_bytes: u64,
    /// How old the oldest event is that is not in its journal, in milliseconds.
    pub journal_behind_ms: u64,
    /// Why the journals cannot be written, if they cannot.
    pub journal_error: Option<String>,
    /// Why a sync to the disk failed, as long as a call is live that it was of.
    pub sync_error: Option<String>,
    /// How old the oldest byte is that is written and not synced, in milliseconds.
    pub sync_behind_ms: u64,
    /// Takes, each of a stream, that wait for a worker.
    pub takes_waiting: usize,
    /// Whether the journals of an earlier process are being finished.
    pub recovering: bool,
    /// How many journals the recovery has before it, the one that it is at included.
    pub recoveries_waiting: usize,
    /// Whether recordings are left in their journals because the disk had no room for them or refused them. They are tried again within
    /// the hour, when it has room, unless that is not wanted ([`Builder::recover_at_start`](crate::Builder::recover_at_start)), and by
    /// [`Recorder::recover`](crate::Recorder::recover).
    pub left_in_journals: bool,
    /// Whether recordings are left in their journals because the process ended each time that they were made. By this version of callrec
    /// they are tried again by [`Recorder::recover`](crate::Recorder::recover) alone.
    pub left_for_a_person: bool,
    /// How many bytes of the disk are free, if the system says so.
    pub disk_free_bytes: Option<u64>,
    /// Why no new recordings are begun for want of room on the disk, if so.
    pub disk_low: Option<String>,
    /// How often each limit was met.
    pub refused: Refusals,
}
