//! The lines of a live call, on their way to the journal: those that its transcript will have no room for are refused before.

use std::sync::Arc;

use callrec_session::{Event, TranscriptLimits, TranscriptRoom};

use crate::inbox::{Inbox, Taken};
use crate::refusals::Counters;

#[derive(Debug)]
pub(crate) struct Lines {
    room: TranscriptRoom,
    refused: u64,
    counters: Arc<Counters>,
}

impl Lines {
    pub(crate) fn new(counters: &Arc<Counters>) -> Self {
        let room = TranscriptRoom::new(TranscriptLimits::default());
        Self { room, refused: 0, counters: Arc::clone(counters) }
    }

    /// Takes a line, or when its words begin, into the inbox. A line that finds no room there, or in the transcript, is counted.
    pub(crate) fn push(&mut self, inbox: &mut Inbox, at_us: u64, event: &Event<'_>) -> Taken {
        if inbox.has_ended() {
            return Taken::No;
        }
        let mut room = self.room.clone();
        let is_line = matches!(event, Event::Said { .. });
        let fits = match event {
            Event::Said { text, .. } => room.take_line(text),
            Event::WordTimes { starts_ms } => room.take_word_times(starts_ms).is_some(),
            _ => true,
        };
        let taken = if fits {
            inbox.push(at_us, event, 0)
        } else {
            if is_line {
                inbox.drop_line();
            }
            Taken::No
        };
        if taken != Taken::No {
            self.room = room;
        } else if is_line {
            self.refused += 1;
            self.counters.note_line();
        }
        taken
    }

    /// How many lines were counted.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}
