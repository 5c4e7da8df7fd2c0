//! How many files and sockets the process may have open: a call needs several, and the usual limit is made for less.

use crate::config::Config;

/// Sockets to provider and bot are counted among connections, or here; journal, recording, and what a moment of finishing takes.
const PER_CALL: usize = 5;
/// Threads' own, logs, directories, files that are being read.
const OTHERS: usize = 200;

/// How many descriptors the settings may take.
fn wanted(config: &Config) -> u64 {
    let calls = config.max_calls.saturating_mul(PER_CALL);
    (config.max_connections.saturating_add(calls).saturating_add(OTHERS)) as u64
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
