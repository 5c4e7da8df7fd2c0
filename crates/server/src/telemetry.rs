//! Logs: to standard error, as text or JSON lines, filtered by `RUST_LOG`.

use crate::config::{Config, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::EnvFilter;

/// Installs the process's log. Where one is installed already (tests, an embedding program) it stays.
pub fn init(config: &Config) {
    // Checked when the settings were read.
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let builder = builder.with_ansi(io::stderr().is_terminal());
    let installed = match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "another log is installed already");
    }
}
