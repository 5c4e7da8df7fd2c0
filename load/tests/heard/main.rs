//! Recordings of calls over real sockets, held against what the provider in its own process says it played.
//!
//! `LOAD_CALLS=300 LOAD_SEED=5 cargo test -p callrec-load --test heard accuracy -- --nocapture` holds more calls, and others,
//! against the table.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod accuracy;
mod decoded;
mod exact;
mod load;
mod markers;
mod noise;
#[path = "../server/mod.rs"]
mod server;
