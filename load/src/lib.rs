//! Load for a callrec server: many paced calls over real WebSockets, by a provider and a bot that know what was heard.
//!
//! The two are those of `callrec-simulator`; here they speak the provider's protocol, by the real clock and in a process
//! of their own. A call goes on whether the server keeps up or not: 20 ms of the caller every 20 ms, and what a machine that
//! stalled has missed follows in a burst. Every call leaves a line in the [playout log](PlayoutLog): what the caller heard,
//! sample by sample. Its audio tells which sample it is ([`Sound`]), so that a recording can be held against the log.
//!
//! `callrec-load --help` tells how it is used by hand.

mod bot_end;
#[allow(clippy::disallowed_methods, reason = "what is measured is real time, over real sockets")]
mod bot_log;
pub mod cli;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "the system tells in files what a process took")]
pub mod cpu;
#[cfg(unix)]
pub mod descriptors;
mod lateness;
#[cfg(target_os = "linux")]
#[allow(clippy::disallowed_methods, reason = "what is measured is real time, on a machine's own files")]
pub mod measure;
mod plan;
mod playout_log;
#[allow(clippy::disallowed_methods, reason = "what is measured is real time, over real sockets")]
pub mod probe;
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "the server is started as its users start it")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod processors;
mod progress;
mod provider_end;
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "only the server that was started is asked")]
mod rest;
#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a soak has its time, and its own files")]
pub mod soak;
#[allow(clippy::disallowed_methods, reason = "calls are paced by the real clock")]
mod sockets;
#[allow(clippy::disallowed_methods, reason = "what is said in a load is no recording")]
mod sound;
mod voice;

pub use bot_end::BotEnd;
pub use plan::{CallPlan, Plan, Span};
pub use playout_log::PlayoutLog;
pub use provider_end::ProviderEnd;
pub use sound::{Sound, Speech};
pub use voice::{MARKER_EVERY, MARKER_SAMPLES, Voice, marker};
