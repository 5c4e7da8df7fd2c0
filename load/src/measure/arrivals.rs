//! When files appear in a directory.

use anyhow::Context as _;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// The names that a directory was given, and when.
#[derive(Debug, Clone)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<String, Instant>>>);

impl Arrivals {
    /// Watches from now on, until the directory is gone.
    pub(crate) fn watch(directory: &Path) -> anyhow::Result<Self> {
        let watching = inotify::init(CreateFlags::CLOEXEC)?;
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        inotify::add_watch(&watching, directory, flags)
            .with_context(|| format!("{} cannot be watched", directory.display()))?;
        let arrivals = Self(Arc::default());
        let seen = arrivals.clone();
        std::thread::Builder::new().name("arrivals".to_owned()).spawn(move || {
            let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
            let mut reader = Reader::new(watching, &mut buffer);
            while let Ok(event) = reader.next() {
                let now = Instant::now();
                if let Some(name) = event.file_name() {
                    let name = name.to_string_lossy().into_owned();
                    seen.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(now);
                }
                if event.events().contains(ReadFlags::IGNORED) {
                    return;
                }
            }
        })?;
        Ok(arrivals)
    }

    /// When a name appeared first.
    pub(crate) fn at(&self, name: &str) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_file_is_seen_under_the_name_that_it_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let (partial, last) = (directory.path().join("partial"), directory.path().join("last"));
        std::fs::write(&partial, "x").unwrap();
        let arrivals = Arrivals::watch(directory.path()).unwrap();
        assert!(arrivals.at("last").is_none());
        let before = Instant::now();
        std::fs::rename(partial, last).unwrap();
        let patience = Instant::now() + Duration::from_secs(20);
        while arrivals.at("last").is_none() && Instant::now() < patience {
            std::thread::yield_now();
        }
        assert!(arrivals.at("last").unwrap() >= before && arrivals.at("partial").is_none());
    }
}
