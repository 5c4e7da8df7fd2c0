//! The summary for programs.

use crate::CallSummary;

/// The summary as indented JSON, ending in a newline.
///
/// # Errors
/// None that the types of this crate can cause; serde's signature leaves room for one.
pub fn summary_json(summary: &CallSummary) -> String {
    // A summary has string keys only and no foreign `Serialize`, the two things that could fail.
    let mut json = serde_json::to_string_pretty(summary).unwrap_or_default();
    json.push('\n');
    json
}

/// Reads what [`summary_json`] wrote, now or in an earlier release.
///
/// # Errors
/// [`ParseError::Newer`] if a later callrec wrote it in a shape this one does not know: leave it as it is.
/// [`ParseError::Malformed`] if it is not a summary at all.
pub fn parse_json(json: &[u8]) -> Result<CallSummary, ParseError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    // The version first: in a later one any other field may have another shape.
    let Versioned { version } = serde_json::from_slice(json)?;
    if version > CallSummary::VERSION {
        return Err(ParseError::Newer { version });
    }
    Ok(serde_json::from_slice(json)?)
}

/// The highest number of a stream that a summary of any version names; none if it names none, or is no summary. Of a large one it makes
/// nothing else, which takes a small part of the time of [`parse_json`].
pub fn highest_stream(json: &[u8]) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct Streams {
        streams: Vec<Stream>,
    }
    #[derive(serde::Deserialize)]
    struct Stream {
        number: u32,
    }
    let Streams { streams } = serde_json::from_slice(json).ok()?;
    streams.into_iter().map(|stream| stream.number).max()
}

/// Why a summary could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A later callrec wrote it.
    #[error(
        "the summary has version {version}, this callrec knows up to {}: use the one that wrote it",
        CallSummary::VERSION
    )]
    Newer {
        /// The version it has.
        version: u32,
    },
    /// It is no summary, or damaged.
    #[error("not a callrec summary: {0}")]
    Malformed(#[from] serde_json::Error),
}
