//! Playback marks of our own on a relayed stream: their echoes tell the recording what the caller heard when.
//!
//! The bot never learns of them: their names begin with a word that nobody can guess, and what comes back with it is
//! not forwarded. (The bot sees gaps in the provider's sequence numbers where that happened.)

use actix_web::rt::time::Instant;
use bytes::Bytes;
use bytestring::ByteString;
use callrec::MarkPlanner;
use callrec_protocol::twilio::outgoing;
use std::time::Duration;

use crate::recording::Told;

/// Longer messages are audio; a clear has some dozens of bytes.
const LONGEST_CLEAR: usize = 1_024;

/// A mark to send.
pub(crate) struct Mark<'a> {
    pub(crate) name: &'a str,
    pub(crate) message: ByteString,
}

/// The marks of one stream.
pub(crate) struct Marks {
    planner: MarkPlanner,
    stream: String,
    began: Instant,
    /// In which a message is written.
    buffer: Vec<u8>,
}

impl Marks {
    /// For a stream of 8,000 Hz that began just now.
    pub(crate) fn new(stream: &str) -> Option<Self> {
        let prefix = format!("callrec-{:016x}-", rand::random::<u64>());
        let planner = MarkPlanner::new(&prefix, 8_000, 0)?;
        Some(Self { planner, stream: stream.to_owned(), began: Instant::now(), buffer: Vec::new() })
    }

    /// Whether a message of the provider is an echo of ours.
    pub(crate) fn is_echo(&self, text: &str) -> bool {
        text.contains(self.planner.prefix())
    }

    /// The mark that goes before a message of the bot. Looks at its text alone, so that nothing that can be wrong with a
    /// message holds it up; a mark too many does no harm.
    pub(crate) fn before(&mut self, text: &str) -> Option<Mark<'_>> {
        let now_us = self.now_us();
        let wanted = if text.contains("\"media\"") {
            self.planner.before_audio(now_us)
        } else {
            text.len() <= LONGEST_CLEAR && text.contains("\"clear\"") && self.planner.before_clear(now_us)
        };
        if wanted { self.mark() } else { None }
    }

    /// The mark that goes behind a message of the bot.
    pub(crate) fn after(&mut self, told: &Told) -> Option<Mark<'_>> {
        let now_us = self.now_us();
        if let Some(name) = &told.marked {
            self.planner.after_mark(now_us, name);
        }
        let wanted = (told.samples > 0 && self.planner.after_audio(now_us, told.samples))
            || (told.cleared && self.planner.after_clear(now_us));
        if wanted { self.mark() } else { None }
    }

    /// When to [`wake`](Self::wake).
    pub(crate) fn next(&self) -> Instant {
        self.began + Duration::from_micros(self.planner.next_us())
    }

    /// The mark that is due though nobody said anything.
    pub(crate) fn wake(&mut self) -> Option<Mark<'_>> {
        let now_us = self.now_us();
        if self.planner.wake(now_us) { self.mark() } else { None }
    }

    fn mark(&mut self) -> Option<Mark<'_>> {
        let name = self.planner.name();
        self.buffer.clear();
        outgoing::write_mark(&mut self.buffer, &self.stream, name).ok()?;
        let message = Bytes::copy_from_slice(&self.buffer).try_into().ok()?;
        Some(Mark { name, message })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
