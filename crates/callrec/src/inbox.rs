//! Where a call's events wait for the journal: bounded, and never slower than a copy.

use callrec_session::{DropKind, EndReason, Event, Place, wire};
use callrec_store::{JournalKey, MAX_PAYLOAD, append_record};

use crate::budget::{Budget, OwnRate};
use crate::drops::Drops;
use crate::memory::{Grant, OWN};

/// Nothing but the end of the call is taken when this many bytes wait: what a provider itself would queue, and a bot
/// may hand over in one go. 10 minutes at 24 kHz in 16 bits are 28.8 MB, and 0.9 MB more as records of 20 ms. It is a
/// bound: a disk that refuses for longer must not take the machine's memory as well.
const ROOM: usize = 32 * 1024 * 1024;
/// What is small and must not be lost with the audio may use this much more; so it may where all calls together hold as
/// much as they may.
const FOR_SMALL: usize = 64 * 1024;
/// From here on the journal's thread is woken, and buffers that grew larger are given back when they are empty.
const PRESSING: usize = 256 * 1024;
/// Audio beyond this many bytes is taken in pieces. A record's payload may be twice as long, its head included.
const LARGEST_PIECE: usize = MAX_PAYLOAD / 2;

/// Journal records, encoded, that are not in the journal yet.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Of the journal, which need not be there yet.
    key: JournalKey,
    record_audio: bool,
    /// What of them counts among what all calls hold.
    grant: Grant,
    /// When the first of them came, in microseconds since the call began.
    since_us: u64,
    last_us: u64,
    drops: Drops,
    ended: Option<EndReason>,
    budget: Budget,
    budget_rate: OwnRate,
}

/// Bytes on their way from an inbox into the journal.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    grant: Grant,
    since_us: u64,
    drops: Drops,
}

impl Outgoing {
    pub(crate) fn new(grant: Grant) -> Self {
        Self { bytes: Vec::new(), grant, since_us: 0, drops: Drops::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the other's memory for what will be on its way, or gives it its own back, if nothing is.
    pub(crate) fn swap_memory(&mut self, spare: &mut Vec<u8>) {
        if self.is_empty() {
            std::mem::swap(&mut self.bytes, spare);
        }
    }

    /// They are in the journal, or given up.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > 4 * PRESSING {
            self.bytes = Vec::new();
        }
        self.grant.release();
        self.drops.clear();
    }

    /// Since when its first byte waits; none if nothing does.
    pub(crate) fn since_us(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.since_us)
    }
}

/// How large a record may make an inbox.
#[derive(Debug, Clone, Copy)]
enum Room {
    Audio,
    Small,
    /// For what must be told.
    Any,
}

/// Whether a record found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    Yes,
    /// And so much waits that the journal should be written now.
    Pressing,
    No,
}

impl Inbox {
    /// Of a stream whose tracks have so many samples a second together, and whose audio is recorded or not.
    pub(crate) fn new(key: JournalKey, record_audio: bool, grant: Grant, rate_hz: u32) -> Self {
        Self {
            bytes: Vec::new(),
            key,
            record_audio,
            grant,
            since_us: 0,
            last_us: 0,
            drops: Drops::default(),
            ended: None,
            budget: Budget::default(),
            budget_rate: OwnRate::new(rate_hz),
        }
    }

    /// Since when the first byte waits; none if nothing does.
    pub(crate) fn since_us(&self) -> Option<u64> {
        (!self.bytes.is_empty()).then_some(self.since_us)
    }

    /// Whether the end was put in; nothing is taken after it.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.is_some()
    }

    /// What its records' checksums begin with.
    pub(crate) fn key(&self) -> JournalKey {
        self.key
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
        self.bytes.is_empty() && self.drops.all_told()
    }

    /// Takes an event; `rate_hz` is that of its track, if it is audio.
    pub(crate) fn push(&mut self, at_us: u64, event: &Event<'_>, rate_hz: u32) -> Taken {
        match event {
            // No audio is written then, but what was heard of the words depends on how long it was.
            Event::Audio { track, place, codec, bytes } if !self.record_audio => {
                let samples = u32::try_from(bytes.len() / codec.bytes_per_sample()).unwrap_or(u32::MAX);
                self.push_one(at_us, &Event::Omitted { track: *track, place: *place, samples })
            }
            Event::Audio { bytes, .. } if bytes.len() > LARGEST_PIECE => {
                self.push_large(at_us, event, rate_hz)
            }
            event => self.push_one(at_us, event),
        }
    }

    /// Audio that is longer than a record: in pieces of whole seconds, so that their times are exact.
    fn push_large(&mut self, at_us: u64, event: &Event<'_>, rate_hz: u32) -> Taken {
        let Event::Audio { track, place, codec, bytes } = *event else { return Taken::No };
        let second = (rate_hz.max(1) as usize).saturating_mul(codec.bytes_per_sample());
        let seconds = (LARGEST_PIECE / second).max(1);
        let mut taken = Taken::Yes;
        for (index, bytes) in bytes.chunks(seconds.saturating_mul(second)).enumerate() {
            let place = match place {
                Place::At(ms) => Place::At(ms.saturating_add((index * seconds) as u64 * 1000)),
                place => place,
            };
            taken = taken.max(self.push_one(at_us, &Event::Audio { track, place, codec, bytes }));
        }
        taken
    }

    fn push_one(&mut self, at_us: u64, event: &Event<'_>) -> Taken {
        if self.ended.is_some() {
            return Taken::No;
        }
        let room = match event {
            Event::Ended { .. } => Room::Any,
            Event::Audio { .. } => Room::Audio,
            _ => Room::Small,
        };
        let taken = self.add(at_us, room, |out| wire::encode(event, out));
        match (taken, event) {
            (Taken::No, Event::Audio { .. }) => self.drops.add(DropKind::Audio),
            (Taken::No, Event::Said { .. }) => self.drops.add(DropKind::TranscriptLine),
            (Taken::No, _) => self.drops.add(DropKind::Message),
            (_, Event::Ended { reason }) => self.ended = Some(*reason),
            (_, Event::Dropped { what, count }) => self.drops.add_told(*what, *count),
            _ => {}
        }
        taken
    }

    /// A line is not to be taken: that is told as of one that found no room here.
    pub(crate) fn drop_line(&mut self) {
        self.drops.add(DropKind::TranscriptLine);
    }

    /// A record that is no event.
    pub(crate) fn push_raw(&mut self, at_us: u64, kind: u8, payload: &[u8]) -> Taken {
        if self.ended.is_some() {
            return Taken::No;
        }
        self.add(at_us, Room::Small, |out| {
            out.extend_from_slice(payload);
            kind
        })
    }

    /// A record whose payload `write` appends, and whose kind it gives. It is written where it stays: a buffer in between would be
    /// one more piece of memory that each of a thousand calls has to fetch.
    fn add(&mut self, at_us: u64, room: Room, write: impl FnOnce(&mut Vec<u8>) -> u8) -> Taken {
        let more = match room {
            Room::Audio => 0,
            Room::Small => FOR_SMALL,
            Room::Any => usize::MAX - ROOM,
        };
        let before = self.bytes.len();
        if before >= ROOM + more {
            self.grant.note_call_full();
            return Taken::No;
        }
        // Two threads may have read the clock in one order and come here in the other.
        let at_us = self.last_us.max(at_us);
        if append_record(self.key, at_us, &mut self.bytes, write).is_err() {
            return Taken::No;
        }
        if !matches!(room, Room::Any) && !self.is_granted(before, at_us, room, more) {
            self.bytes.truncate(before);
            return Taken::No;
        }
        self.last_us = at_us;
        if before == 0 {
            self.since_us = at_us;
        }
        if self.bytes.len() >= PRESSING { Taken::Pressing } else { Taken::Yes }
    }

    /// Whether what was put in behind `before` may stay.
    fn is_granted(&mut self, before: usize, at_us: u64, room: Room, more: usize) -> bool {
        let record = (self.bytes.len() - before) as u64;
        let mut budget = self.budget;
        if !budget.take(record, at_us, matches!(room, Room::Audio), self.budget_rate, self.grant.memory()) {
            self.grant.note_journal_full();
            return false;
        }
        let holds = self.grant.hold(self.bytes.len().saturating_sub(OWN + more));
        if holds {
            self.budget = budget;
        }
        holds
    }

    /// What was journalled counts no longer.
    pub(crate) fn renew_budget(&mut self) {
        self.budget = Budget::default();
    }

    /// When the last event came, in microseconds since the call began.
    pub(crate) fn last_us(&self) -> u64 {
        self.last_us
    }

    /// What is on its way to the journal is given up: nothing there tells of what was dropped.
    pub(crate) fn take_back_drops(&mut self, out: &mut Outgoing) {
        self.drops.absorb(&mut out.drops);
    }

    /// What was dropped, and is told of by no record that has left this inbox.
    pub(crate) fn dropped(&self) -> impl Iterator<Item = (DropKind, u32)> + '_ {
        self.drops.unjournalled()
    }

    /// Moves everything behind what `out` holds already; what found no room is told by records of its own.
    pub(crate) fn drain(&mut self, out: &mut Outgoing) {
        if out.is_empty() {
            out.since_us = self.since_us;
        }
        out.grant.absorb(&mut self.grant);
        let (out, drops) = (&mut out.bytes, &mut out.drops);
        // In front of what waits, for an end may be in it, and nothing is read behind an end; and no later than that, for times never go
        // back.
        let at_us = if self.bytes.is_empty() { self.last_us } else { self.since_us };
        for (what, count) in self.drops.untold() {
            let _ =
                append_record(self.key, at_us, out, |out| wire::encode(&Event::Dropped { what, count }, out));
        }
        drops.absorb(&mut self.drops);
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

#[cfg(test)]
mod tests;
