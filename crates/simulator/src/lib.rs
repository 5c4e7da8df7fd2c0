//! A telephony provider, a network and a bot, simulated: the truth about what a caller heard.
//!
//! A real provider does not say what it played when. This one knows, and so it can judge those who estimate it. It shares
//! no code with callrec's timeline, reads no clock, and draws its luck from a seed: the same seed is the same call.
//!
//! * [`Provider`] queues the bot's speech and plays it, 20 ms a tick; sends the caller's frames and the echoes of marks.
//! * [`Link`] carries messages, late by a delay and a jitter, and in order, as TCP does.
//! * [`Bot`] speaks in one of three ways, and stops when the caller interrupts.
//! * [`Relay`] is what stands between: the one whose estimates are judged.
//! * [`simulate`] lets them talk, and gives what the caller heard.
//! * [`Verdict`] holds what was recorded against it, and [`Promise`] says how good it must be.
//!
//! What the provider does is as its documents say, where they do. What is assumed is marked so in [`Provider`], and
//! [`Conditions`] vary it.
//!
//! ```
//! use callrec_simulator::{Bot, BotKind, Conditions, FromProvider, Luck, Relay, ToProvider, simulate};
//!
//! /// Forwards, and notes nothing.
//! struct Wire;
//!
//! impl Relay for Wire {
//!     fn bot_sent(&mut self, _at_us: u64, sent: &ToProvider, out: &mut Vec<ToProvider>) {
//!         out.push(sent.clone());
//!     }
//!     fn provider_sent(&mut self, _at_us: u64, _message: &FromProvider) {}
//!     fn next_us(&self) -> Option<u64> {
//!         None
//!     }
//!     fn wake(&mut self, _at_us: u64, _out: &mut Vec<ToProvider>) {}
//! }
//!
//! let bot = Bot::new(BotKind::Bursting, 10_000, &mut Luck::new(7));
//! let truth = simulate(bot, &Conditions::typical(), 7, 10_000, &mut Wire);
//! let heard: u64 = truth.heard.iter().map(|run| run.samples).sum();
//! assert!(0 < heard && heard <= truth.sent);
//! ```

mod bot;
mod conditions;
mod link;
mod luck;
mod network;
mod promise;
mod provider;
mod verdict;
mod world;

pub use bot::{Bot, BotKind, Speech};
pub use conditions::Conditions;
pub use link::Link;
pub use luck::Luck;
pub use network::Network;
pub use promise::Promise;
pub use provider::{Echoes, Flushed, FromProvider, Provider, ProviderCut, ToProvider};
pub use verdict::{Claim, Errors, Verdict};
pub use world::{Cut, Relay, Run, Truth, simulate};

/// Samples that a tick of the telephone network holds, at 8,000 Hz.
pub const TICK_SAMPLES: u64 = 160;
/// A tick in microseconds.
pub const TICK_US: u64 = 20_000;
/// The marks of a bot have numbers from here on.
pub const BOT_MARKS: u64 = 1 << 63;
