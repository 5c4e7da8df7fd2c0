//! What callrec reads of others, read in any form.
//!
//! Each module is one kind of input, with a `read` that takes any bytes and panics if something does not hold that must
//! always hold: not only that nothing breaks, but that what was understood is what was said. libFuzzer calls them
//! (`fuzz_targets/`), with the bytes that it finds; the tests call them with what is in `seeds/` and `findings/`.

pub mod audio;
pub mod bodies;
pub mod bot;
mod call;
mod damage;
pub mod events;
mod input;
pub mod journal;
mod oracle;
pub mod provider;
pub mod seeds;
pub mod settings;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 7] = [
    ("audio", audio::read),
    ("bodies", bodies::read),
    ("bot", bot::read),
    ("events", events::read),
    ("journal", journal::read),
    ("provider", provider::read),
    ("settings", settings::read),
];
