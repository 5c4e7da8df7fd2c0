//! Events as bytes, for a journal: compact, and readable whatever the bytes are.
//!
//! An event is a kind and a payload; framing, time and checksum are the journal's. Kinds above [`MAX_KIND`] are free for
//! the records of others in the same file. Numbers are little-endian. Kinds are never used again for something else.

use std::borrow::Cow;

use thiserror::Error;

use crate::{Codec, DropKind, EndReason, Event, Place, Speaker, StreamStart, Track};

/// The highest kind that an event may have.
pub const MAX_KIND: u8 = 127;

const STARTED: u8 = 1;
const AUDIO: u8 = 2;
const MARK_SENT: u8 = 3;
const MARK_ECHOED: u8 = 4;
const CLEARED: u8 = 5;
const DTMF: u8 = 6;
const SAID: u8 = 7;
const DROPPED: u8 = 8;
const ENDED: u8 = 9;
const OMITTED: u8 = 10;
const WORD_TIMES: u8 = 11;
const OVER: u8 = 12;

/// Why bytes are no event.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// A kind that this version does not know: written by a later one, or not an event.
    #[error("records of kind {0} are unknown to this version")]
    UnknownKind(u8),
    /// The payload does not hold what its kind needs.
    #[error("the payload of a record of kind {0} is damaged")]
    Damaged(u8),
}

/// The codes of an enum on the wire: a value's place in the table, which is only ever added to at the end.
trait Code: Sized + Copy + PartialEq + 'static {
    const TABLE: &'static [Self];

    fn code(self) -> u8 {
        // Every table holds every variant.
        Self::TABLE.iter().position(|&value| value == self).map_or(u8::MAX, |place| place as u8)
    }

    fn of(code: u8) -> Option<Self> {
        Self::TABLE.get(usize::from(code)).copied()
    }
}

impl Code for Track {
    const TABLE: &'static [Self] = &[Self::Caller, Self::Assistant];
}
impl Code for Codec {
    const TABLE: &'static [Self] = &[Self::Mulaw, Self::Alaw, Self::Pcm16];
}
impl Code for Speaker {
    const TABLE: &'static [Self] = &[Self::Caller, Self::Assistant, Self::System];
}
impl Code for DropKind {
    const TABLE: &'static [Self] = &[
        Self::Message,
        Self::Audio,
        Self::UnknownMessage,
        Self::Timestamp,
        Self::Parameter,
        Self::TranscriptLine,
    ];
}
impl Code for EndReason {
    const TABLE: &'static [Self] = &[
        Self::Stopped,
        Self::Closed,
        Self::Aborted,
        Self::Idle,
        Self::BotGone,
        Self::Finished,
        Self::Shutdown,
        Self::Interrupted,
        Self::BotClosed,
    ];
}

/// Appends an event's payload to `out`, and returns its kind.
pub fn encode(event: &Event<'_>, out: &mut Vec<u8>) -> u8 {
    match event {
        Event::Started(start) => {
            out.extend(serde_json::to_vec(start.as_ref()).unwrap_or_default());
            STARTED
        }
        Event::Audio { track, place, codec, bytes } => {
            let (place, ms) = place_code(*place);
            out.extend([track.code(), codec.code(), place]);
            out.extend(ms.to_le_bytes());
            out.extend_from_slice(bytes);
            AUDIO
        }
        Event::Omitted { track, place, samples } => {
            let (place, ms) = place_code(*place);
            out.extend([track.code(), place]);
            out.extend(ms.to_le_bytes());
            out.extend(samples.to_le_bytes());
            OMITTED
        }
        Event::MarkSent { name } => {
            out.extend_from_slice(name.as_bytes());
            MARK_SENT
        }
        Event::MarkEchoed { name } => {
            out.extend_from_slice(name.as_bytes());
            MARK_ECHOED
        }
        Event::Cleared => CLEARED,
        Event::Over => OVER,
        Event::Dtmf { digit } => {
            out.extend_from_slice(digit.as_bytes());
            DTMF
        }
        Event::Said { speaker, text, at_ms } => {
            out.extend([speaker.code(), u8::from(at_ms.is_some())]);
            out.extend(at_ms.unwrap_or(0).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
            SAID
        }
        Event::WordTimes { starts_ms } => {
            out.extend(starts_ms.iter().flat_map(|ms| ms.to_le_bytes()));
            WORD_TIMES
        }
        Event::Dropped { what, count } => {
            out.push(what.code());
            out.extend(count.to_le_bytes());
            DROPPED
        }
        Event::Ended { reason } => {
            out.push(reason.code());
            ENDED
        }
    }
}

fn place_code(place: Place) -> (u8, u64) {
    match place {
        Place::At(ms) => (0, ms),
        Place::Queued => (1, 0),
        Place::Untimed => (2, 0),
    }
}

fn place_of(code: u8, ms: [u8; 8]) -> Option<Place> {
    match code {
        0 => Some(Place::At(u64::from_le_bytes(ms))),
        1 => Some(Place::Queued),
        2 => Some(Place::Untimed),
        _ => None,
    }
}

/// Reads an event from its kind and payload; its audio and texts are borrowed from the payload.
///
/// # Errors
/// Any bytes are an event or an error; see [`WireError`].
pub fn decode(kind: u8, payload: &[u8]) -> Result<Event<'_>, WireError> {
    if !(STARTED..=OVER).contains(&kind) {
        return Err(WireError::UnknownKind(kind));
    }
    known(kind, payload).ok_or(WireError::Damaged(kind))
}

fn known(kind: u8, payload: &[u8]) -> Option<Event<'_>> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some(match kind {
        STARTED => Event::Started(Cow::Owned(serde_json::from_slice::<StreamStart>(payload).ok()?)),
        AUDIO => {
            let (&[track, codec, place], rest) = payload.split_first_chunk()?;
            let (ms, bytes) = rest.split_first_chunk()?;
            let place = place_of(place, *ms)?;
            Event::Audio { track: Track::of(track)?, place, codec: Codec::of(codec)?, bytes }
        }
        OMITTED => {
            let (&[track, place], rest) = payload.split_first_chunk()?;
            let (ms, samples) = rest.split_first_chunk()?;
            let (place, samples) = (place_of(place, *ms)?, u32::from_le_bytes(samples.try_into().ok()?));
            Event::Omitted { track: Track::of(track)?, place, samples }
        }
        MARK_SENT => Event::MarkSent { name: text(payload)? },
        MARK_ECHOED => Event::MarkEchoed { name: text(payload)? },
        CLEARED => payload.is_empty().then_some(Event::Cleared)?,
        OVER => payload.is_empty().then_some(Event::Over)?,
        DTMF => Event::Dtmf { digit: text(payload)? },
        SAID => {
            let (&[speaker, timed], rest) = payload.split_first_chunk()?;
            let (ms, words) = rest.split_first_chunk()?;
            let at_ms = match timed {
                0 => None,
                1 => Some(u64::from_le_bytes(*ms)),
                _ => return None,
            };
            Event::Said { speaker: Speaker::of(speaker)?, text: text(words)?, at_ms }
        }
        WORD_TIMES => {
            let (starts, rest) = payload.as_chunks();
            let starts_ms = starts.iter().map(|ms| u32::from_le_bytes(*ms)).collect();
            rest.is_empty().then_some(Event::WordTimes { starts_ms: Cow::Owned(starts_ms) })?
        }
        DROPPED => {
            let (&what, count) = payload.split_first()?;
            Event::Dropped { what: DropKind::of(what)?, count: u32::from_le_bytes(count.try_into().ok()?) }
        }
        ENDED => {
            let [reason] = payload else { return None };
            Event::Ended { reason: EndReason::of(*reason)? }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;
    use proptest::prelude::*;

    fn one_of<T: Code + std::fmt::Debug>() -> impl Strategy<Value = T> {
        (0..T::TABLE.len()).prop_map(|place| T::TABLE[place])
    }

    fn round_trips(event: &Event<'_>) {
        let mut payload = Vec::new();
        let kind = encode(event, &mut payload);
        assert!(kind <= MAX_KIND);
        assert_eq!(decode(kind, &payload).as_ref(), Ok(event));
    }

    #[test]
    fn a_start_without_and_with_parameters_round_trips() {
        let mut start = StreamStart::new("CA1", "MZ1", Topology::Relay);
        round_trips(&Event::Started(Cow::Borrowed(&start)));
        start.parameters.push(("name".to_owned(), "\u{0}\"\\ü".to_owned()));
        start.assistant_rate = 24_000;
        round_trips(&Event::Started(Cow::Borrowed(&start)));
    }

    #[test]
    fn a_kind_of_somebody_else_is_told_apart_from_damage() {
        assert_eq!(decode(0, &[]), Err(WireError::UnknownKind(0)));
        assert_eq!(decode(128, &[]), Err(WireError::UnknownKind(128)));
        assert_eq!(decode(ENDED, &[]), Err(WireError::Damaged(ENDED)));
        assert_eq!(decode(ENDED, &[200]), Err(WireError::Damaged(ENDED)));
    }

    #[test]
    fn the_bytes_of_an_event_stay_as_they_are() {
        let mut out = Vec::new();
        let event = Event::Audio {
            track: Track::Assistant,
            place: Place::At(258),
            codec: Codec::Alaw,
            bytes: &[0xd5, 0x55],
        };
        assert_eq!(encode(&event, &mut out), 2);
        assert_eq!(out, [1, 1, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0xd5, 0x55]);
    }

    #[test]
    fn the_codes_of_how_a_stream_ended_stay_as_they_are() {
        for (code, reason) in [
            EndReason::Stopped,
            EndReason::Closed,
            EndReason::Aborted,
            EndReason::Idle,
            EndReason::BotGone,
            EndReason::Finished,
            EndReason::Shutdown,
            EndReason::Interrupted,
            EndReason::BotClosed,
        ]
        .into_iter()
        .enumerate()
        {
            let mut out = Vec::new();
            assert_eq!(encode(&Event::Ended { reason }, &mut out), 9);
            assert_eq!(out, [code as u8], "{reason}");
        }
    }

    proptest! {
        #[test]
        fn every_event_round_trips(
            track in one_of::<Track>(), codec in one_of::<Codec>(), speaker in one_of::<Speaker>(),
            what in one_of::<DropKind>(), reason in one_of::<EndReason>(),
            place in prop_oneof![any::<u64>().prop_map(Place::At), Just(Place::Queued), Just(Place::Untimed)],
            bytes in prop::collection::vec(any::<u8>(), 0..400), text in ".{0,60}",
            at_ms in any::<Option<u64>>(), count in any::<u32>(),
        ) {
            for event in [
                Event::Audio { track, place, codec, bytes: &bytes },
                Event::Omitted { track, place, samples: count },
                Event::MarkSent { name: &text },
                Event::MarkEchoed { name: &text },
                Event::Cleared,
                Event::Over,
                Event::Dtmf { digit: &text },
                Event::Said { speaker, text: &text, at_ms },
                Event::WordTimes { starts_ms: Cow::Borrowed(&[count, 0, u32::MAX]) },
                Event::Dropped { what, count },
                Event::Ended { reason },
            ] {
                round_trips(&event);
            }
        }

        #[test]
        fn any_bytes_are_an_event_or_an_error(kind: u8, payload in prop::collection::vec(any::<u8>(), 0..64)) {
            read_and_written_again(kind, &payload);
        }

        #[test]
        fn any_event_is_read_or_refused_however_it_is_bent(
            at in any::<prop::sample::Index>(), byte: u8, how in 0_u8..4, which in any::<prop::sample::Index>(),
        ) {
            let mut start = StreamStart::new("CA1", "MZ1", Topology::Relay);
            start.parameters.push(("name".to_owned(), "value".to_owned()));
            let place = Place::At(20);
            let events = [
                Event::Started(Cow::Owned(start)),
                Event::Audio { track: Track::Caller, place, codec: Codec::Pcm16, bytes: &[1, 2, 3] },
                Event::Omitted { track: Track::Assistant, place, samples: 160 },
                Event::MarkSent { name: "\u{fc}" },
                Event::Said { speaker: Speaker::Caller, text: "\u{fc}", at_ms: Some(5) },
                Event::WordTimes { starts_ms: Cow::Borrowed(&[0, 5]) },
                Event::Dropped { what: DropKind::Audio, count: 5 },
                Event::Ended { reason: EndReason::Stopped },
                Event::Over,
            ];
            let mut payload = Vec::new();
            let kind = encode(which.get(&events), &mut payload);
            let at = at.index(payload.len() + 1);
            match how {
                0 if at < payload.len() => payload[at] = byte,
                1 => payload.truncate(at),
                2 => payload.insert(at, byte),
                _ => {}
            }
            read_and_written_again(if how == 3 { byte } else { kind }, &payload);
        }
    }

    /// What is an event is the same event when it was written again.
    fn read_and_written_again(kind: u8, payload: &[u8]) {
        if let Ok(event) = decode(kind, payload) {
            let mut again = Vec::new();
            assert_eq!(encode(&event, &mut again), kind);
            assert_eq!(decode(kind, &again), Ok(event));
        }
    }
}
