//! How the bot's side of a call ends, and what that means for the provider and the recording.

use crate::counters::Limit;
use crate::socket::{ConnectError, TooFarBehind};
use actix_ws::CloseCode;
use callrec::EndReason;

/// How the bot's side ended.
pub(super) enum BotEnd {
    /// It hung up.
    Closed,
    /// It hung up, and said that it had to.
    Failed,
    /// It does not read.
    Deaf(TooFarBehind),
    /// It was not reached, or its connection broke.
    Gone(ConnectError),
}

impl BotEnd {
    /// What the recording says of it.
    pub(super) fn reason(&self) -> EndReason {
        match self {
            Self::Closed => EndReason::BotClosed,
            Self::Failed | Self::Deaf(_) | Self::Gone(_) => EndReason::BotGone,
        }
    }

    /// What the provider's socket is closed with.
    pub(super) fn code(&self) -> CloseCode {
        match self {
            Self::Closed => CloseCode::Normal,
            Self::Failed | Self::Deaf(_) | Self::Gone(_) => CloseCode::Error,
        }
    }

    /// The limit that it met, if it was one.
    pub(super) fn limit(&self) -> Option<Limit> {
        match self {
            Self::Deaf(_) => Some(Limit::BotsDeaf),
            Self::Gone(ConnectError::Timeout(_)) => Some(Limit::BotsTooSlow),
            Self::Gone(error) if error.is_too_long() => Some(Limit::MessagesTooLong),
            Self::Closed | Self::Failed | Self::Gone(_) => None,
        }
    }

    pub(super) fn log(&self, call: &str) {
        match self {
            Self::Closed => tracing::info!(call, "the bot closed its socket"),
            Self::Failed => tracing::warn!(call, "the bot closed its socket for an error of its own"),
            Self::Deaf(error) => tracing::warn!(call, %error, "the bot does not read; giving it up"),
            Self::Gone(error) => tracing::error!(call, %error, "the bot is not reachable"),
        }
    }
}
