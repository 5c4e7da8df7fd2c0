//! Playback marks of our own on a relayed stream: their echoes tell the recording what the caller heard when.
//!
//! The bot never learns of them: their names begin with a word that nobody can guess, and what comes back with it is
//! not forwarded. (The bot sees gaps in the provider's sequence numbers where that happened.)

use actix_web::rt::time::Instant;
use bytestring::ByteString;
use callrec::MarkPlanner;
use callrec_protocol::twilio::outgoing;
use std::time::Duration;

use crate::recording::Told;

/// Longer messages are audio; a clear has some dozens of bytes.
const LONGEST_CLEAR: usize = 1_024;

/// A mark to send.
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) message: ByteString,
}

/// The marks of one stream.
pub(crate) struct Marks {
    planner: MarkPlanner,
    stream: String,
    began: Instant,
}

impl Marks {
    /// For a stream of 8,000 Hz that began just now.
    pub(crate) fn new(stream: &str) -> Option<Self> {
        let prefix = format!("callrec-{:016x}-", rand::random::<u64>());
        let planner = MarkPlanner::new(&prefix, 8_000, 0)?;
        Some(Self { planner, stream: stream.to_owned(), began: Instant::now() })
    }

    /// Whether a message of the provider is an echo of ours.
    pub(crate) fn is_echo(&self, text: &str) -> bool {
        text.contains(self.planner.prefix())
    }

    /// The mark that goes before a message of the bot. Looks at its text alone, so that nothing that can be wrong with a
    /// message holds it up; a mark too many does no harm.
    pub(crate) fn before(&mut self, text: &str) -> Option<Mark> {
        let now_us = self.now_us();
        let wanted = if text.contains("\"media\"") {
            self.planner.before_audio(now_us)
        } else {
            text.len() <= LONGEST_CLEAR && text.contains("\"clear\"") && self.planner.before_clear(now_us)
        };
        wanted.then(|| self.mark())
    }

    /// The mark that goes behind a message of the bot.
    pub(crate) fn after(&mut self, told: &Told) -> Option<Mark> {
        let now_us = self.now_us();
        if let Some(name) = &told.marked {
            self.planner.after_mark(now_us, name);
        }
        let wanted = (told.samples > 0 && self.planner.after_audio(now_us, told.samples))
            || (told.cleared && self.planner.after_clear(now_us));
        wanted.then(|| self.mark())
    }

    /// When to [`wake`](Self::wake).
    pub(crate) fn next(&self) -> Instant {
        self.began + Duration::from_micros(self.planner.next_us())
    }

    /// The mark that is due though nobody said anything.
    pub(crate) fn wake(&mut self) -> Option<Mark> {
        let now_us = self.now_us();
        self.planner.wake(now_us).then(|| self.mark())
    }

    fn mark(&mut self) -> Mark {
        let name = self.planner.name();
        let message = outgoing::mark(&self.stream, &name).into();
        Mark { name, message }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
