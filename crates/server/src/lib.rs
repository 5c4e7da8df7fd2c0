//! The callrec server.
mod auth;
pub mod cli;
pub mod config;
pub mod error;
mod live;
mod media_stream;
mod recording;
mod relay;
mod routes;
pub mod secret;
mod socket;
mod startup;
mod state;
pub mod telemetry;

pub use startup::Application;
