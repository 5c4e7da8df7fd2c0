//! What can go wrong, told by what the reader can do about it.

use std::sync::Arc;

use callrec_encode::SpecError;
use callrec_session::Track;
use callrec_store::{CallId, CallIdError, StoreError};

/// A call could not be recorded, or its recording not be finished.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The call's name cannot be part of a file's name.
    #[error("{0}")]
    BadCallId(#[from] CallIdError),
    /// A track has a rate that cannot be resampled.
    #[error("the {track:?} track's rate of {hz} Hz cannot be recorded; allowed: 1,000 to 192,000 Hz")]
    BadRate {
        /// The track.
        track: Track,
        /// Its rate in Hz.
        hz: u32,
    },
    /// A track's rate and the file's are so odd a pair that there is no resampling between them.
    #[error(
        "the {track:?} track's rate of {hz} Hz has too little in common with the file's {file_hz} Hz to be recorded; \
         give the track a usual rate, or choose another for the file"
    )]
    OddRate {
        /// The track.
        track: Track,
        /// Its rate in Hz.
        hz: u32,
        /// The file's rate in Hz.
        file_hz: u32,
    },
    /// The settings cannot be met.
    #[error("{0}")]
    Impossible(#[from] SpecError),
    /// As many calls as [`max_calls`](crate::Builder::max_calls) allows are live or being finished.
    #[error("{most} calls are being recorded, as many as are allowed; raise the limit or try again later")]
    TooManyCalls {
        /// The limit.
        most: usize,
    },
    /// The disk has so little room that the calls which are being recorded need it; see
    /// [`min_free_disk`](crate::Builder::min_free_disk).
    #[error(
        "the disk has {} MB free, and {} MB are kept for the calls that are being recorded; free some space, or keep less",
        .free / 1_000_000, .least.div_ceil(1_000_000)
    )]
    DiskLow {
        /// How many bytes are free.
        free: u64,
        /// How many must be.
        least: u64,
    },
    /// The recorder shuts down.
    #[error("the recorder is shutting down and takes no new calls")]
    Closing,
    /// The recordings directory cannot be used.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// The recording was not finished. What was received is in the journal, if there is one, and it is tried
    /// again: where the disk had no room or refused, when it has, and by the next recorder on the same directory.
    #[error("the recording {} is not finished: {reason}", of(.call))]
    NotFinished {
        /// The call.
        call: String,
        /// What went wrong, and where the audio is now.
        reason: String,
    },
}

/// Whose recording it is, in words that a log may have.
fn of(call: &str) -> String {
    match CallId::name_for_log(call) {
        CallId::ODD => CallId::ODD.to_owned(),
        call => format!("of {call}"),
    }
}

impl From<StoreError> for RecordError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// A format could not be set.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetFormatError {
    /// The call has ended; its recording keeps the format it has.
    #[error("the call has ended; its recording keeps the format it has")]
    TooLate,
    /// The call holds, or has journalled, as much as it may for now.
    #[error("the call has no room for it now; try again in some seconds")]
    NoRoom,
    /// The codec cannot do it.
    #[error("{0}")]
    Impossible(#[from] SpecError),
    /// This is no call's name.
    #[error("{0}")]
    BadCallId(#[from] CallIdError),
    /// Formats are set for as many calls that have not begun as are remembered.
    #[error(
        "formats are set for {most} calls that have not begun, as many as are remembered; try again later"
    )]
    Full {
        /// The limit.
        most: usize,
    },
}

/// A line could not be added to a transcript.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddLineError {
    /// No such call was ever seen.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call has ended; its transcript is written.
    #[error("the call has ended; its transcript is written")]
    Ended,
    /// The call's transcript is full, or the disk behind; the line is counted as dropped.
    #[error("the call has no room for the line: its transcript is full, or the disk behind")]
    Full,
}
