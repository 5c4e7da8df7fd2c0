//! Logs: to standard error, as text or JSON lines, filtered by `RUST_LOG`.

use crate::config::{Config, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// Installs the process's log. Where one is installed already (tests, an embedding program) it stays.
pub fn init(config: &Config) {
    // Checked when the settings were read.
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let log = tracing_subscriber::registry().with(filter).with(filter_fn(tells_no_content)).with(lines);
    if let Err(error) = log.try_init() {
        tracing::debug!(%error, "another log is installed already");
    }
}

/// Whatever RUST_LOG asks for: below `info` the libraries of others log what passes through them, which are the headers with
/// the tokens, the frames with the call, and the words with which a peer closes. Ours log nothing of the kind at any level.
fn tells_no_content(event: &Metadata<'_>) -> bool {
    event.target().starts_with("callrec") || *event.level() <= Level::INFO
}
