//! Reading what was written, by decoders that have nothing in common with the encoders.
//!
//! [`ReadBack`] decodes a file while it grows; [`check_file`] looks at the finished one as a player would, and
//! [`decode_file`] gives all of it.

mod check;
mod decode;
mod growing;
#[cfg(feature = "mp3")]
mod mpeg_frames;
mod stream;
mod watched;

pub use check::{Checked, check_file};
pub use decode::{Decoded, decode_file};
pub use stream::{ReadBack, ReadBackReport};

use std::panic::{AssertUnwindSafe, catch_unwind};

use symphonia::core::errors::Error as SymphoniaError;

use crate::format::Format;

/// Why a recording is not what it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadBackError {
    /// No player would open it.
    #[error("the {format} file cannot be opened: {message}")]
    Unreadable {
        /// The format it should have.
        format: Format,
        /// The decoder's words.
        message: String,
    },
    /// It opens, but as something else.
    #[error("the file has {found}, and not {expected}")]
    WrongKind {
        /// What was asked for.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// A part of it cannot be decoded.
    #[error("the {format} file is damaged after {frame} frames: {message}")]
    Damaged {
        /// The format.
        format: Format,
        /// Frames (samples of each channel) decoded before.
        frame: u64,
        /// The decoder's words.
        message: String,
    },
    /// It is shorter or longer than what was recorded.
    #[error("the file has {found} frames, and not {expected}")]
    WrongLength {
        /// Frames (samples of each channel) that were encoded.
        expected: u64,
        /// Frames found.
        found: u64,
    },
    /// A lossless file gives other samples than were encoded.
    #[error("the samples read back are not those that were encoded")]
    SamplesDiffer,
    /// The file itself could not be read.
    #[error("reading the file failed")]
    Io(#[from] std::io::Error),
}

fn damaged(format: Format, frame: u64, error: &SymphoniaError) -> ReadBackError {
    ReadBackError::Damaged { format, frame, message: error.to_string() }
}

fn unreadable(format: Format, error: &SymphoniaError) -> ReadBackError {
    ReadBackError::Unreadable { format, message: error.to_string() }
}

/// Runs what calls a decoder. Decoders panic at some damaged headers (sizes that overflow when multiplied), and a
/// recording that cannot be read is for the caller to know of, not to die of. `work` must not be used again after it.
fn guarded<T>(format: Format, work: impl FnOnce() -> Result<T, ReadBackError>) -> Result<T, ReadBackError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(ReadBackError::Unreadable { format, message: "the decoder gave up on it".to_owned() })
    })
}
