//! The callrec server: takes calls from a provider over WebSockets, relays them to a bot if there is one, and records them.
//!
//! The binary `callrec` is this crate's [`cli`]. A program that wants the server inside builds an [`Application`] from a
//! [`Config`](config::Config):
//!
//! ```no_run
//! use callrec_server::Application;
//! use callrec_server::config::{Config, Sources};
//!
//! # async fn run() -> anyhow::Result<()> {
//! let config = Config::load(Sources::only([("PORT", "0"), ("DEFAULT_AUDIO_FORMAT", "flac")]))?;
//! let application = Application::build(config)?;
//! println!("listening on {}", application.address());
//! application.run_until(std::future::pending()).await
//! # }
//! ```

mod admission;
mod answers;
mod auth;
pub mod cli;
pub mod config;
mod connections;
mod counters;
#[allow(clippy::disallowed_methods, reason = "the demo is a phone, and calls the server that it started")]
mod demo;
mod descriptors;
pub mod error;
mod file_size;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inspect;
mod live;
#[allow(clippy::disallowed_methods, reason = "marks are sent in time: the server reads a clock")]
mod marks;
mod media_stream;
mod opening;
mod recording;
mod recover;
#[allow(clippy::disallowed_methods, reason = "a connection has its deadlines: the server reads a clock")]
mod relay;
mod routes;
pub mod secret;
mod security_headers;
mod socket;
mod startup;
mod state;
#[allow(clippy::disallowed_methods, reason = "a token lives in time: the server reads a clock")]
mod stream_tokens;
pub mod telemetry;

pub use routes::{ROUTES, Route, Who};
pub use startup::Application;
