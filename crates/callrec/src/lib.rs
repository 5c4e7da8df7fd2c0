//! Records the phone calls of a voice bot: both sides, as they were heard, as MP3, WAV, OGG or FLAC, with a transcript
//! and a summary.
//!
//! ```
//! use callrec::{Audio, CallOptions, EndReason, Recorder, Speaker};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let home = tempfile::tempdir()?;
//! # let responses = home.path().join("responses");
//! let recorder = Recorder::builder(&responses).start()?;
//! let call = recorder.start_call(CallOptions::new("CA123").assistant_rate(24_000))?;
//! call.said(Speaker::Assistant, "Good morning, how can I help?");
//! call.assistant(Audio::f32(&[0.1; 480])); // 20 ms of a speech model's output
//! call.caller(Audio::mulaw(&[0xff; 160])); // 20 ms of a phone line
//! let files = call.finish(EndReason::Finished).wait()?; // or `.await`
//! assert!(files.audio.is_some_and(|path| path.ends_with("call_CA123_conversation.mp3")));
//! # Ok(())
//! # }
//! ```
//!
//! # What happens to a call
//!
//! Whatever a [`Call`] is given goes, unchanged, into a journal in the recordings directory, on a thread of the
//! [`Recorder`]'s own; none of a call's methods waits for a disk or an encoder. Other threads follow the journal, put the audio in
//! its place, encode it and read it back. When the call ends, the file is completed, checked and given its name,
//! transcript and summary are written, and the journal is removed.
//!
//! If the process is killed, the journal stays, with all but the last fraction of a second; the next recorder on the same directory
//! finishes it, and says so in the summary. A recording appears under its name whole or not at all, and none is ever
//! replaced.
//!
//! # When audio is heard
//!
//! [`Call::caller_at`] and [`Call::assistant_at`] place audio by the provider's clock, [`Call::caller`] and
//! [`Call::assistant`] where it arrives. A bot that streams its speech to a provider which queues it (Twilio's `<Connect><Stream>`)
//! says [`Topology::Relay`]: then speech is recorded when it was played, and what a [`Call::clear`] cut off is not.
//!
//! # Features
//!
//! `mp3` (LAME, linked statically, LGPL), `wav`, `ogg` and `flac`: one for each format, all on by default.

mod again;
#[cfg(test)]
mod any_crash;
mod audio;
#[cfg(all(test, feature = "mp3", feature = "wav", feature = "ogg", feature = "flac"))]
mod bad_encoder;
mod budget;
mod builder;
mod call;
mod clock;
#[cfg(test)]
mod damaged;
mod drops;
mod error;
mod finish;
mod for_a_person;
mod header;
mod inbox;
pub mod inspect;
mod journalling;
mod known;
mod lines;
mod live;
mod memory;
mod mixdown;
mod named;
mod options;
mod output;
#[cfg(test)]
mod panics;
mod pending;
mod queue;
mod recorder;
mod recovery;
mod refusals;
mod shared;
#[cfg(test)]
mod simulated;
mod source;
mod space;
mod status;
mod syncing;
mod take;
mod taken;
mod unjournalled;
mod untold;
mod workers;

/// The README's example is compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub use audio::Audio;
pub use builder::Builder;
pub use call::{Call, Finishing};
pub use error::{AddLineError, RecordError, SetFormatError};
pub use options::{CallOptions, FormatChange};
pub use recorder::{Recorder, SetFormat};
pub use recovery::Recovery;
pub use refusals::Refusals;
pub use status::{CallFiles, CallList, CallState, CallStatus, Health, files_of};

pub use callrec_audio::g711;
pub use callrec_encode::{
    Bitrate, Channels, Format, ParseSettingError, RateSetting, Settings, SpecError, WavEncoding, formats,
    mpeg,
};
pub use callrec_session::{
    Codec, Completeness, Cut, CutBy, DropKind, EndReason, Event, Gap, GapWhy, Line, MarkEchoes, MarkPlanner,
    Notes, Place, Speaker, Spurt, StreamStart, Topology, Track,
};
pub use callrec_store::{CallId, CallIdError, StoreError};
pub use callrec_summary::{AudioFile, AudioOutcome, CallSummary, LocalTime, StreamSummary, one_line};
