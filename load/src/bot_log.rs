//! What came to the bot of a call, and what it sent.

use std::time::Duration;
use tokio::time::Instant;

/// How often it is written down how much was sent, at most.
const EVERY: Duration = Duration::from_millis(100);

/// The bot's side of a call that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BotLog {
    /// The call's SID.
    pub(crate) call: String,
    /// Messages with audio that came, up to the stop.
    pub(crate) frames: u64,
    /// Whether the stop came.
    pub(crate) stopped: bool,
    /// Samples that were sent.
    pub(crate) sent: u64,
    /// How many of them had been sent by then, now and again.
    sent_by: Vec<(Instant, u64)>,
}

impl BotLog {
    /// Of a call that begins.
    pub(crate) fn of(call: &str) -> Self {
        Self { call: call.to_owned(), ..Self::default() }
    }

    /// So many samples have been sent by now.
    pub(crate) fn has_sent(&mut self, samples: u64, now: Instant) {
        self.sent = samples;
        if self.sent_by.last().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= EVERY) {
            self.sent_by.push((now, samples));
        }
    }

    /// How many samples had been sent at a moment, at least.
    pub(crate) fn sent_by(&self, moment: Instant) -> u64 {
        let sent = self.sent_by.iter().rev().find(|(at, _)| *at <= moment);
        sent.map_or(0, |(_, samples)| *samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_known_how_much_had_been_sent_at_a_moment_to_a_tenth_of_a_second() {
        let begins = Instant::now();
        let at = |ms| begins + Duration::from_millis(ms);
        let mut log = BotLog::of("CA1");
        for ms in (1_000..=2_000).step_by(20) {
            log.has_sent(ms * 8, at(ms));
        }
        assert_eq!((log.call.as_str(), log.sent), ("CA1", 16_000));
        assert_eq!((log.sent_by(at(999)), log.sent_by(at(1_000))), (0, 8_000));
        assert_eq!((log.sent_by(at(1_599)), log.sent_by(at(9_000))), (12_000, 16_000));
    }
}
