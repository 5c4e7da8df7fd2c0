//! The whole server on a port of its own, with real clients over loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod access;
mod beside;
mod bot_ends;
mod counted;
mod documents;
mod every_route;
mod formats;
mod hostile;
mod http;
mod limits;
mod low_disk;
mod marks;
mod nowhere_else;
mod our_twiml;
mod phone;
mod played;
mod playing;
mod recordings;
mod relay;
#[path = "../running/mod.rs"]
mod running;
mod scripted_bot;
mod sockets;
mod test_server;
mod web_pages;
