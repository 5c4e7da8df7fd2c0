//! The accuracy that is promised.

use crate::BotKind;

/// What is promised for a kind of bot, with delays up to 300 ms and jitter up to 100 ms each way: shares within 20 ms and
/// shares of speech in percent, worst errors in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promise {
    /// Of the beginnings of spurts: the share, and the worst.
    pub starts: (f64, u64),
    /// Of the places at which clears cut.
    pub cuts: (f64, u64),
    /// The share of what was heard that is within 20 ms.
    pub frames: f64,
    /// The most that is missing, in percent of what was heard.
    pub missing: f64,
    /// The most that was not heard and is recorded.
    pub unheard: f64,
}

impl Promise {
    /// The promise for a kind of bot.
    #[must_use]
    pub const fn of(kind: BotKind) -> Self {
        match kind {
            BotKind::Bursting | BotKind::AtOnce => {
                Self { starts: (99.0, 100), cuts: (99.0, 100), frames: 99.9, missing: 0.05, unheard: 0.05 }
            }
            BotKind::Pacing => {
                Self { starts: (98.0, 100), cuts: (98.0, 100), frames: 99.5, missing: 0.05, unheard: 0.05 }
            }
            BotKind::Stalling => {
                Self { starts: (99.0, 100), cuts: (85.0, 140), frames: 99.5, missing: 0.05, unheard: 0.1 }
            }
        }
    }
}
