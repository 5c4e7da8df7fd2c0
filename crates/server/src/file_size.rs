//! The longest file that the process may write (`ulimit -f`, `LimitFSIZE=` of systemd): a write beyond it fails, as on a disk that is
//! full, and the calls go on.

use std::io;

/// Has such a write fail from here on, where the system would end the process with SIGXFSZ.
///
/// # Errors
/// The signal cannot be handled.
#[cfg(unix)]
pub(crate) fn let_writes_fail() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let beyond = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
    // What is handled once is as long as the process lives. Nobody has to be told: whoever wrote has the error.
    signal(beyond).map(drop)
}

#[cfg(not(unix))]
pub(crate) fn let_writes_fail() -> io::Result<()> {
    Ok(())
}
