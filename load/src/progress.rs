//! What the person at the terminal sees while the calls go on.

use indicatif::{ProgressBar, ProgressStyle};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the calls stand, and a bar that shows it; without a terminal the bar is not seen.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    calls: u64,
    live: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
}

impl Progress {
    /// So many calls, all over after about `length`.
    pub(crate) fn new(calls: u64, length: Duration) -> Self {
        let bar = ProgressBar::new(length.as_millis() as u64);
        if let Ok(style) = ProgressStyle::with_template("  on the phone {bar:40} {msg}") {
            bar.set_style(style);
        }
        Self { bar, calls, live: Arc::default(), ended: Arc::default() }
    }

    pub(crate) fn begins(&self) {
        self.live.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ends(&self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Shows how far it is.
    pub(crate) fn at(&self, since: Duration) {
        let (live, ended) = (self.live.load(Ordering::Relaxed), self.ended.load(Ordering::Relaxed));
        self.bar.set_position(since.as_millis() as u64);
        self.bar.set_message(format!("{} s: {live} live, {ended} of {} ended", since.as_secs(), self.calls));
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
