//! What happened in a phone call: the events that every provider's messages become, and their form in a journal.
//!
//! An [`Event`] speaks no provider's words. It borrows its audio and texts, so reading a stream copies nothing, and it
//! shows none of them in a log. [`wire`] turns events into bytes and back.
//!
//! ```
//! use callrec_session::{Codec, Event, Place, Track, wire};
//!
//! let event = Event::Audio { track: Track::Caller, place: Place::At(20), codec: Codec::Mulaw, bytes: &[0xff; 160] };
//! let mut payload = Vec::new();
//! let kind = wire::encode(&event, &mut payload);
//! assert_eq!(wire::decode(kind, &payload), Ok(event));
//! ```

mod event;
pub mod wire;

pub use event::{Codec, DropKind, EndReason, Event, Place, Speaker, StreamStart, Topology, Track};
