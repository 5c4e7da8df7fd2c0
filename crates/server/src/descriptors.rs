//! How many files and sockets the process may have open: a call needs several, and the usual limit is made for less.

use crate::config::Config;
use crate::connections::of_each_worker;
use crate::state::workers;
use actix_web::rt::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Sockets to provider and bot are counted among connections, or here; journal, recording, and what a moment of finishing takes.
const PER_CALL: usize = 5;
/// Threads' own, logs, directories, files that are being read.
const OTHERS: usize = 200;

/// How many descriptors the settings may take.
fn wanted(config: &Config) -> u64 {
    let connections = of_each_worker(config.max_connections, workers()).saturating_mul(workers());
    let calls = config.max_calls.saturating_mul(PER_CALL);
    (connections.saturating_add(calls).saturating_add(OTHERS)) as u64
}

/// Raises the limit of this process as far as it may; says what to do if that is not enough.
#[cfg(unix)]
pub(crate) fn allow(config: &Config) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = wanted(config);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(now) = current.filter(|now| *now < wanted) else { return };
    let allowed = maximum.map_or(wanted, |maximum| maximum.min(wanted)).max(now);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum }) {
        tracing::warn!(%error, "the number of open files could not be raised");
    }
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "MAX_CALLS and MAX_CONNECTIONS may need more open files than are allowed: raise the limit (`ulimit -Hn`, \
             LimitNOFILE), or lower them"
        );
    }
}

#[cfg(not(unix))]
pub(crate) fn allow(config: &Config) {
    tracing::debug!(wanted = wanted(config), "open files");
}

/// Below the limit so many are too few: what a hundred requests or the end of twenty calls may take at once.
const TOO_FEW: u64 = 100;
/// Of a limit that is low, one in so many.
const OF_FEW: u64 = 16;
/// Between two warnings.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Tells when nearly as many files and sockets are open as may be.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    /// From this number on; none where the system does not say how many there may be.
    nearly_all: Option<u64>,
    warned: Mutex<Option<Instant>>,
}

impl OpenFiles {
    /// By the limit that the process has now.
    pub(crate) fn new() -> Self {
        Self { nearly_all: most().map(nearly), warned: Mutex::default() }
    }

    /// Whether they are, now that this connection was accepted; says so in the log, but not all the time. A new descriptor has the
    /// lowest number that is free: all below it are open.
    pub(crate) fn are_nearly_all_open(&self, newest: &TcpStream) -> bool {
        let is_so = self.nearly_all.is_some_and(|nearly_all| number(newest) >= nearly_all);
        if is_so {
            self.warn();
        }
        is_so
    }

    #[allow(clippy::disallowed_methods, reason = "a warning now and then: the server reads a clock")]
    fn warn(&self) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_some_and(|at| at.elapsed() < WARN_EVERY) {
            return;
        }
        *warned = Some(Instant::now());
        tracing::warn!(
            "nearly all files are open that this process may have: new connections and recordings will fail; raise the \
             limit (`ulimit -Hn`, LimitNOFILE), or lower MAX_CALLS and MAX_CONNECTIONS"
        );
    }
}

fn nearly(most: u64) -> u64 {
    most.saturating_sub(TOO_FEW.min(most / OF_FEW))
}

#[cfg(unix)]
fn most() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(unix)]
fn number(socket: &TcpStream) -> u64 {
    use std::os::fd::AsRawFd as _;
    u64::try_from(socket.as_raw_fd()).unwrap_or_default()
}

#[cfg(not(unix))]
fn most() -> Option<u64> {
    None
}

#[cfg(not(unix))]
fn number(_: &TcpStream) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_few_files_some_are_too_few_and_of_many_a_hundred() {
        assert_eq!((nearly(256), nearly(1_024), nearly(7_200)), (240, 960, 7_100));
    }
}
