//! The two kinds of sockets of a call, polled by one task: the provider's and the bot's.
//!
//! Sending never waits: a message goes into a queue and leaves when the other end reads. So a slow reader on one side
//! can stop neither the reading of the other nor the recording.

mod bot;
mod bot_address;
mod frames;
#[cfg(target_os = "linux")]
mod gathering;
#[cfg(not(target_os = "linux"))]
#[path = "socket/not_gathering.rs"]
mod gathering;
mod in_flight;
mod outbox;
mod provider;

pub(crate) use bot::{BotConnector, BotSocket, ConnectError, FromBot};
pub(crate) use frames::no_longer_than;
pub(crate) use gathering::{Descriptor, Socket};
pub(crate) use outbox::{Room, TooFarBehind};
pub(crate) use provider::{FromProvider, LONGEST_MESSAGE, ProviderSocket, is_too_long};
