//! Where a call's events wait for the journal: bounded, and never slower than a copy.

use callrec_session::{DropKind, EndReason, Event, wire};
use callrec_store::encode_record;

/// Nothing but the end of the call is taken beyond this many waiting bytes: about a minute of a relayed call.
const ROOM: usize = 1024 * 1024;
/// What is small and must not be lost with the audio may use this much more.
const ROOM_FOR_SMALL: usize = ROOM + 64 * 1024;
/// From here on the journal's thread is woken.
const PRESSING: usize = 256 * 1024;

/// Journal records, encoded, that are not in the journal yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    payload: Vec<u8>,
    last_us: u64,
    dropped_audio: u32,
    dropped_lines: u32,
    dropped_others: u32,
    ended: Option<EndReason>,
}

/// Whether a record found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Yes,
    /// And so much waits that the journal should be written now.
    Pressing,
    No,
}

impl Inbox {
    /// Whether the end was put in; nothing is taken after it.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// How the call ended, if it has.
    pub(crate) fn end_reason(&self) -> Option<EndReason> {
        self.ended
    }

    /// How many bytes wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
            && self.dropped_audio == 0
            && self.dropped_lines == 0
            && self.dropped_others == 0
    }

    pub(crate) fn push(&mut self, at_us: u64, event: &Event<'_>) -> Taken {
        if self.ended.is_some() {
            return Taken::No;
        }
        let room = match event {
            Event::Ended { .. } => usize::MAX,
            Event::Audio { .. } => ROOM,
            _ => ROOM_FOR_SMALL,
        };
        self.payload.clear();
        let kind = wire::encode(event, &mut self.payload);
        let taken = self.push_payload(at_us, kind, room);
        match (taken, event) {
            (Taken::No, Event::Audio { .. }) => self.dropped_audio = self.dropped_audio.saturating_add(1),
            (Taken::No, Event::Said { .. }) => self.dropped_lines = self.dropped_lines.saturating_add(1),
            (Taken::No, _) => self.dropped_others = self.dropped_others.saturating_add(1),
            (_, Event::Ended { reason }) => self.ended = Some(*reason),
            _ => {}
        }
        taken
    }

    /// A record that is no event.
    pub(crate) fn push_raw(&mut self, at_us: u64, kind: u8, payload: &[u8]) -> Taken {
        self.payload.clear();
        self.payload.extend_from_slice(payload);
        self.push_payload(at_us, kind, ROOM_FOR_SMALL)
    }

    fn push_payload(&mut self, at_us: u64, kind: u8, room: usize) -> Taken {
        if self.ended.is_some() || self.bytes.len() >= room {
            return Taken::No;
        }
        // Two threads may have read the clock in one order and come here in the other.
        self.last_us = self.last_us.max(at_us);
        if encode_record(self.last_us, kind, &self.payload, &mut self.bytes).is_err() {
            return Taken::No;
        }
        if self.payload.capacity() > ROOM {
            self.payload = Vec::new();
        }
        if self.bytes.len() >= PRESSING { Taken::Pressing } else { Taken::Yes }
    }

    /// Moves everything behind what `out` holds already; what found no room is told by records of its own.
    pub(crate) fn drain(&mut self, out: &mut Vec<u8>) {
        let dropped = [
            (DropKind::Audio, std::mem::take(&mut self.dropped_audio)),
            (DropKind::TranscriptLine, std::mem::take(&mut self.dropped_lines)),
            (DropKind::Message, std::mem::take(&mut self.dropped_others)),
        ];
        // In front of what waits, for an end may be in it, and nothing is read behind an end.
        for (what, count) in dropped.into_iter().filter(|(_, count)| *count > 0) {
            self.payload.clear();
            let kind = wire::encode(&Event::Dropped { what, count }, &mut self.payload);
            let _ = encode_record(self.last_us, kind, &self.payload, out);
        }
        if out.is_empty() {
            std::mem::swap(out, &mut self.bytes);
        } else {
            out.append(&mut self.bytes);
        }
        if self.bytes.capacity() > 2 * PRESSING {
            self.bytes = Vec::new();
        }
    }
}
