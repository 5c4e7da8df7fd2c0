//! Logs: to standard error, as text or JSON lines, filtered by `RUST_LOG`.
//!
//! Whoever reads them may stop: a pipe is full then, and who writes into it waits. So one thread writes, and everybody else only puts
//! lines into its queue.

mod lines;

use crate::config::{Config, LogFormat};
use lines::Lines;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal as _};
use std::panic::PanicHookInfo;
use std::time::Duration;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// What waits to be written: some thousand lines.
static LINES: Lines = Lines::new(1024 * 1024);
/// How long the end of the process waits for lines to be written.
const PATIENCE: Duration = Duration::from_secs(1);

/// The process's log. What waits to be written when this is dropped is waited for, a second at most.
#[derive(Debug)]
#[must_use]
pub struct Log(());

impl Drop for Log {
    fn drop(&mut self) {
        flush();
    }
}

/// Waits a second at most until what was logged is written.
pub(crate) fn flush() {
    LINES.flush(PATIENCE);
}

/// How many lines were dropped because nobody read those before them.
pub(crate) fn lines_dropped() -> u64 {
    LINES.dropped()
}

/// Installs the process's log. Where one is installed already (tests, an embedding program) it stays.
pub fn init(config: &Config) -> Log {
    // Checked when the settings were read.
    let filter = EnvFilter::try_new(&config.log_filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let writing = std::thread::Builder::new().name("callrec-log".to_owned()).spawn(write);
    let queue = match writing {
        Ok(_) => BoxMakeWriter::new(|| &LINES),
        Err(_) => BoxMakeWriter::new(io::stderr),
    };
    let lines = fmt::layer().with_writer(queue).with_ansi(io::stderr().is_terminal());
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let log = tracing_subscriber::registry().with(filter).with(filter_fn(tells_no_content)).with(lines);
    match log.try_init() {
        Ok(()) => std::panic::set_hook(Box::new(tell_of_panic)),
        Err(error) => tracing::debug!(%error, "another log is installed already"),
    }
    Log(())
}

/// Logs where it was and, if `RUST_BACKTRACE` asks for that, how it came there. What a panic says may be of a call, such as the text that
/// could not be cut at a byte; and who writes it past the queue waits.
fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(tracing::field::display);
    let thread = std::thread::current();
    let backtrace = Backtrace::capture();
    let backtrace =
        (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(&backtrace));
    tracing::error!(
        place,
        thread = thread.name(),
        backtrace,
        "a thread panicked: this is a defect of the program"
    );
}

fn write() {
    let mut stderr = io::stderr();
    loop {
        let untold = LINES.write_next(&mut stderr);
        if untold > 0 {
            tracing::warn!(untold, "lines of this log were dropped: those before them were not read in time");
        }
    }
}

/// Whatever RUST_LOG asks for: below `info` the libraries of others log what passes through them, which are the headers with
/// the tokens, the frames with the call, and the words with which a peer closes. Ours log nothing of the kind at any level.
fn tells_no_content(event: &Metadata<'_>) -> bool {
    event.target().starts_with("callrec") || *event.level() <= Level::INFO
}
