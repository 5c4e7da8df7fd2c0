//! Twilio Media Streams: JSON text messages over a WebSocket, mu-law at 8 kHz, one stream a socket.
//!
//! [`Twilio`] reads what the provider sends, [`BotSide`] what a bot sends through the relay to the provider;
//! [`outgoing`] writes both kinds. Source: Twilio's page "Media Streams - WebSocket Messages".

mod bot;
mod messages;
pub mod outgoing;
mod provider;
mod queue;

pub use bot::{BotSide, Verdict};
pub use provider::Twilio;

/// The longest call or stream SID that is taken, in bytes.
pub const MAX_SID: usize = 128;
/// The longest name of a mark that is taken, in bytes.
pub const MAX_MARK: usize = 1_024;
/// The most custom parameters that a stream keeps; the provider's REST interface allows 99.
pub const MAX_PARAMETERS: usize = 100;
/// The longest custom parameter, name and value together, in bytes; the provider allows fewer than 500 characters.
pub const MAX_PARAMETER: usize = 2_000;
/// The longest line of a transcript that is taken, in bytes.
pub const MAX_LINE: usize = 64 * 1_024;
/// The most transcript lines of one message.
pub const MAX_LINES: usize = 1_000;
