//! The events read from messages and not yet taken: texts and audio in buffers that are used again.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use base64_simd::STANDARD;
use callrec_session::{Codec, DropKind, EndReason, Event, Place, Speaker, StreamStart, Track};

use crate::ProtocolError;

/// What a buffer may keep of its capacity when it is empty, in bytes: some seconds of audio. A larger message is
/// rare, and its memory goes back.
const KEEP: usize = 64 * 1_024;

/// An event that owns what it holds, but for audio and names of marks, which are ranges of the queue's buffers.
pub(super) enum Pending {
    Nothing,
    Started(Box<StreamStart>),
    Audio { track: Track, place: Place, range: Range<usize> },
    MarkSent(Range<usize>),
    MarkEchoed(Range<usize>),
    Cleared,
    Dtmf(String),
    Said { speaker: Speaker, text: String, at_ms: Option<u64> },
    WordTimes(Vec<u32>),
    Dropped { what: DropKind, count: u32 },
    Ended(EndReason),
}

pub(super) struct EventQueue {
    waiting: VecDeque<Pending>,
    audio: Vec<u8>,
    marks: String,
    /// The event given out last, which the caller's borrow points into.
    current: Pending,
}

/// Tells how much waits, not what was said.
impl std::fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventQueue({} events, {} bytes of audio)", self.waiting.len(), self.audio.len())
    }
}

impl EventQueue {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::new(), audio: Vec::new(), marks: String::new(), current: Pending::Nothing }
    }

    /// To be called before a message: the audio of events already taken is let go.
    pub(super) fn begin(&mut self) {
        if self.waiting.is_empty() {
            self.current = Pending::Nothing;
            self.audio.clear();
            self.audio.shrink_to(KEEP);
            self.marks.clear();
            self.marks.shrink_to(KEEP);
            self.waiting.shrink_to(KEEP / size_of::<Pending>());
        }
    }

    pub(super) fn push(&mut self, event: Pending) {
        self.waiting.push_back(event);
    }

    /// Counts one more dropped thing; equal ones next to each other are told together.
    pub(super) fn push_dropped(&mut self, what: DropKind, count: u32) {
        if let Some(Pending::Dropped { what: last, count: so_far }) = self.waiting.back_mut()
            && *last == what
        {
            *so_far = so_far.saturating_add(count);
        } else if count > 0 {
            self.push(Pending::Dropped { what, count });
        }
    }

    /// Decodes base64 into the buffer. Audio of no bytes is no event.
    pub(super) fn push_audio(
        &mut self,
        track: Track,
        place: Place,
        base64: &str,
    ) -> Result<(), ProtocolError> {
        let start = self.audio.len();
        if STANDARD.decode_append(base64, &mut self.audio).is_err() {
            self.audio.truncate(start);
            // Without padding or with line breaks it is still all there.
            let bytes = base64_simd::forgiving_decode_to_vec(base64.as_bytes());
            self.audio.extend_from_slice(&bytes.map_err(|_| ProtocolError::Base64)?);
        }
        let range = start..self.audio.len();
        if !range.is_empty() {
            self.push(Pending::Audio { track, place, range });
        }
        Ok(())
    }

    /// A mark of this name.
    pub(super) fn push_mark(&mut self, name: &str, event: fn(Range<usize>) -> Pending) {
        let start = self.marks.len();
        self.marks.push_str(name);
        self.push(event(start..self.marks.len()));
    }

    pub(super) fn poll(&mut self) -> Option<Event<'_>> {
        self.current = self.waiting.pop_front()?;
        Some(match &self.current {
            Pending::Nothing => return None,
            Pending::Started(start) => Event::Started(Cow::Borrowed(start)),
            Pending::Audio { track, place, range } => Event::Audio {
                track: *track,
                place: *place,
                codec: Codec::Mulaw,
                bytes: &self.audio[range.clone()],
            },
            Pending::MarkSent(name) => Event::MarkSent { name: &self.marks[name.clone()] },
            Pending::MarkEchoed(name) => Event::MarkEchoed { name: &self.marks[name.clone()] },
            Pending::Cleared => Event::Cleared,
            Pending::Dtmf(digit) => Event::Dtmf { digit },
            Pending::Said { speaker, text, at_ms } => Event::Said { speaker: *speaker, text, at_ms: *at_ms },
            Pending::WordTimes(starts_ms) => Event::WordTimes { starts_ms: Cow::Borrowed(starts_ms) },
            Pending::Dropped { what, count } => Event::Dropped { what: *what, count: *count },
            Pending::Ended(reason) => Event::Ended { reason: *reason },
        })
    }
}
