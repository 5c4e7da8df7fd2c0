//! A telephony provider, a network and a bot, simulated: the truth about what a caller heard.
//!
//! A real provider does not say what it played when. This one knows, and so it can judge those who estimate it. It shares
//! no code with callrec's timeline, reads no clock, and draws its luck from a seed: the same seed is the same call.
//!
//! * [`Provider`] queues the bot's speech and plays it, 20 ms a tick; sends the caller's frames and the echoes of marks.
//! * [`Link`] carries messages, late by a delay and a jitter, and in order, as TCP does.
//! * [`Bot`] speaks in one of three ways, and stops when the caller interrupts.
//! * [`simulate`] lets them talk through a relay, and gives what the relay saw and what the caller heard.
//!
//! What the provider does is as its documents say, where they do. What is assumed is marked so in [`Provider`], and
//! [`Conditions`] vary it.
//!
//! ```
//! use callrec_simulator::{BotKind, Conditions, simulate};
//!
//! let call = simulate(7, BotKind::Bursting, &Conditions::typical(), 10_000);
//! assert_eq!(call, simulate(7, BotKind::Bursting, &Conditions::typical(), 10_000));
//! assert!(call.heard.len() <= call.sent as usize);
//! ```

mod bot;
mod link;
mod luck;
mod provider;
mod world;

pub use bot::{Bot, BotKind, Speech};
pub use link::Link;
pub use luck::Luck;
pub use provider::{Echoes, FromProvider, Provider, ToProvider};
pub use world::{Call, Conditions, Seen, simulate};

/// Samples that a tick of the telephone network holds, at 8,000 Hz.
pub const TICK_SAMPLES: u64 = 160;
/// A tick in microseconds.
pub const TICK_US: u64 = 20_000;
