//! What happened in a phone call, and what was heard of it.
//!
//! An [`Event`] speaks no provider's words. It borrows its audio and texts, so reading a stream copies nothing, and it
//! shows none of them in a log. [`wire`] turns events into bytes and back, for a journal.
//!
//! A [`Timeline`] turns events into two tracks of audio on one clock, as the caller heard them; a [`Transcript`]
//! collects what was said; [`Completeness`] tells what is missing, and [`Notes`] where. All are fed with events and the
//! time, and read no clock.
//!
//! ```
//! use callrec_session::{Codec, Event, Place, Track, wire};
//!
//! let event = Event::Audio { track: Track::Caller, place: Place::At(20), codec: Codec::Mulaw, bytes: &[0xff; 160] };
//! let mut payload = Vec::new();
//! let kind = wire::encode(&event, &mut payload);
//! assert_eq!(wire::decode(kind, &payload), Ok(event));
//! ```

mod completeness;
mod event;
mod marks;
mod names;
mod notes;
mod timeline;
mod transcript;
pub mod wire;

pub use completeness::{Completeness, Dropped, Playout, TrackReport};
pub use event::{
    Codec, DropKind, EndReason, Event, MarkEchoes, Place, Speaker, StreamStart, Topology, Track,
};
pub use marks::MarkPlanner;
pub use notes::{Cut, CutBy, Gap, GapWhy, Note, Notes, Spurt};
pub use timeline::{Placement, Stretch, Timeline, TimelineLimits};
pub use transcript::{Line, Moment, Transcript, TranscriptLimits, TranscriptRoom};
