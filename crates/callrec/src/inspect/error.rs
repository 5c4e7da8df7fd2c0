//! Why there is nothing to look at.

use std::path::PathBuf;

use callrec_encode::readback::ReadBackError;
use callrec_store::{CallId, CallIdError, EXTENSIONS, ReadOnlyDir, StoreError};
use callrec_summary::ParseError;

/// A call could not be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InspectError {
    /// This can be no call's name.
    #[error("{0}")]
    BadCallId(#[from] CallIdError),
    /// Nothing was found of the call.
    #[error(
        "there is no call {call}: no journal {call}_*.journal in {}, and no call_{call}_summary.json and no \
         call_{call}_conversation.* in {}",
        .dir.journals().display(), .dir.path().display()
    )]
    NoSuchCall {
        /// The call.
        call: CallId,
        /// Where it was looked for.
        dir: ReadOnlyDir,
    },
    /// There is no such file.
    #[error("{}: there is no such file", .path.display())]
    NoSuchFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is nothing of callrec's.
    #[error(
        "{} is no journal (*.journal), no recording (*.{}) and no summary (call_*_summary.json)",
        .path.display(), EXTENSIONS.join(", *.")
    )]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// A journal's header is of no recorder that is known here.
    #[error("{}: the journal's header cannot be understood: {error}", .path.display())]
    Header {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// A summary could not be understood.
    #[error("{}: {error}", .path.display())]
    Summary {
        /// The summary, or the recording beside it.
        path: PathBuf,
        /// What is wrong.
        error: ParseError,
    },
    /// A recording could not be decoded.
    #[error("{}: {error}", .path.display())]
    Recording {
        /// The recording.
        path: PathBuf,
        /// What is wrong.
        error: ReadBackError,
    },
}
