//! The callrec server.
pub mod config;
pub mod secret;
