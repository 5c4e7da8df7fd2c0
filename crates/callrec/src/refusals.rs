//! How often a limit was met.

use std::sync::atomic::{AtomicU64, Ordering};

use callrec_session::Completeness;
use serde::Serialize;

use crate::error::{RecordError, SetFormatError};

/// How often each limit was met since the recorder was started. What a call lost by it, its summary tells too.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Refusals {
    /// Calls that were not begun: as many as [`max_calls`](crate::Builder::max_calls) were live or being finished.
    pub calls_full: u64,
    /// Calls that were not begun: the disk had too little room.
    pub calls_disk_low: u64,
    /// Events, audio for the most part, that found no room among what waits of their call.
    pub events_call_full: u64,
    /// Events that found no room among what waits of all calls.
    pub events_memory_full: u64,
    /// Events that were more than a stream may put into its journal.
    pub journals_full: u64,
    /// Formats that were not remembered for calls that had not begun.
    pub formats_full: u64,
    /// Lines that found no room, in a transcript, on the way to it, or in the summary of a call of many streams.
    pub transcript_lines: u64,
    /// Recordings that were far ahead of time, or made all at once, and found no room to spare on the disk: those of live calls wait for
    /// it, others are left in their journals.
    pub recordings_no_room: u64,
    /// Recordings that lost audio because it was too far ahead, or they too long.
    pub recordings_too_long: u64,
}

/// The counters behind it that belong to nobody else.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    calls_full: AtomicU64,
    calls_disk_low: AtomicU64,
    formats_full: AtomicU64,
    transcript_lines: AtomicU64,
    recordings_too_long: AtomicU64,
}

impl Counters {
    /// Counts an error of a call that is to begin, if a limit is the reason.
    pub(crate) fn note_call(&self, error: &RecordError) {
        match error {
            RecordError::TooManyCalls { .. } => add(&self.calls_full, 1),
            RecordError::DiskLow { .. } => add(&self.calls_disk_low, 1),
            _ => {}
        }
    }

    /// The same of a format that is to be set.
    pub(crate) fn note_format(&self, error: &SetFormatError) {
        if matches!(error, SetFormatError::Full { .. }) {
            add(&self.formats_full, 1);
        }
    }

    /// Counts a line that a live call has no room for.
    pub(crate) fn note_line(&self) {
        self.note_lines(1);
    }

    /// Counts lines that a summary has no room for.
    pub(crate) fn note_lines(&self, count: u64) {
        add(&self.transcript_lines, count);
    }

    /// Counts what a finished recording says of limits, but for the lines that were counted while it was live.
    pub(crate) fn note_recording(&self, completeness: &Completeness, lines_counted: u64) {
        add(&self.transcript_lines, completeness.dropped.transcript_lines.saturating_sub(lines_counted));
        let refused_ms = completeness.caller.refused_ms + completeness.assistant.refused_ms;
        add(&self.recordings_too_long, u64::from(refused_ms > 0));
    }

    pub(crate) fn refusals(&self) -> Refusals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Refusals {
            calls_full: read(&self.calls_full),
            calls_disk_low: read(&self.calls_disk_low),
            formats_full: read(&self.formats_full),
            transcript_lines: read(&self.transcript_lines),
            recordings_too_long: read(&self.recordings_too_long),
            ..Refusals::default()
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
