//! Transcript and summary of a recorded call: text as people read it, JSON as programs do.
//!
//! A [`CallSummary`] is all that is known of a finished call. Fill one in, and three functions make the three files
//! that lie beside a recording:
//!
//! | file | function |
//! |---|---|
//! | `call_<call>.txt` | [`transcript_text`] |
//! | `call_<call>_summary.txt` | [`summary_text`] |
//! | `call_<call>_summary.json` | [`summary_json`], read back by [`parse_json`] |
//!
//! ```
//! use callrec_session::EndReason;
//! use callrec_summary::{AudioFile, AudioOutcome, CallSummary, LocalTime, StreamSummary, summary_text};
//!
//! let began = LocalTime::from_unix_ms(1_752_395_325_000, 2 * 3600).ok_or("no such time")?;
//! let mut stream = StreamSummary::new(1, "MZ42", began, EndReason::Stopped);
//! stream.duration_ms = 75_000;
//! let mut file = AudioFile::new("call_CA42_conversation.mp3", "/srv/call_CA42_conversation.mp3", 1_200_000, stream.ended_at());
//! file.duration_ms = 75_000;
//! stream.audio = AudioOutcome::Recorded(file);
//!
//! let mut summary = CallSummary::new("CA42", began);
//! summary.put_stream(stream);
//!
//! let text = summary_text(&summary);
//! assert!(text.starts_with("=== CALL SUMMARY ===\nCall SID: CA42\nCall Completed: 2025-07-13T10:30:00\n"));
//! assert!(text.contains("\nFile Size: 1.2 MB\nCreated: 2025-07-13T10:30:00\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Several streams
//!
//! A call may be connected, put on hold and connected again: each connection is a stream with a number, a recording
//! and transcript lines of its own. When a stream ends, read the call's JSON, [`put_stream`](CallSummary::put_stream),
//! and write all three files again; doing so twice for one stream, as after a crash, changes nothing. Where they are read with a
//! bound, [`put_stream_within`](CallSummary::put_stream_within) keeps them within it.
//!
//! # What others wrote
//!
//! Texts, names and reasons come from callers, bots and providers. In the text files they never begin a line, and
//! characters that move a cursor or turn the direction of writing are replaced, so that nobody can write a heading or
//! a field into another's summary. The JSON keeps them as they came.
//!
//! This crate reads no clock and no time zone: a [`LocalTime`] carries its offset from UTC with it.

mod call_summary;
mod json;
mod local_time;
mod one_line;
mod room;
mod summary;
mod transcript;

pub use call_summary::{AudioFile, AudioOutcome, CallSummary, StreamSummary};
pub use json::{ParseError, highest_stream, parse_json, summary_json};
pub use local_time::LocalTime;
pub use one_line::one_line;
pub use summary::summary_text;
pub use transcript::transcript_text;
