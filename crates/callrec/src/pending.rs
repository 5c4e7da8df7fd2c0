//! Formats that were chosen for calls before they began.

use std::collections::HashMap;
use std::time::Duration;

use callrec_store::CallId;

use crate::clock::Stopwatch;
use crate::error::SetFormatError;
use crate::options::FormatChange;

/// For how many calls a format is remembered.
const MOST: usize = 10_000;
/// How long. A call that was announced begins within seconds.
const EXPIRES: Duration = Duration::from_secs(3600);

#[derive(Debug, Default)]
pub(crate) struct PendingFormats(HashMap<CallId, (FormatChange, Stopwatch)>);

impl PendingFormats {
    pub(crate) fn put(&mut self, call: &CallId, change: &FormatChange) -> Result<(), SetFormatError> {
        if self.0.len() >= MOST && !self.0.contains_key(call) {
            self.0.retain(|_, (_, since)| since.elapsed() < EXPIRES);
            if self.0.len() >= MOST {
                return Err(SetFormatError::Full { most: MOST });
            }
        }
        let change = self.get(call).map_or_else(|| change.clone(), |before| before.followed_by(change));
        self.0.insert(call.clone(), (change, Stopwatch::start()));
        Ok(())
    }

    pub(crate) fn get(&self, call: &CallId) -> Option<&FormatChange> {
        self.0.get(call).filter(|(_, since)| since.elapsed() < EXPIRES).map(|(change, _)| change)
    }
}
