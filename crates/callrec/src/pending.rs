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

#[derive(Debug)]
pub(crate) struct PendingFormats {
    formats: HashMap<CallId, (FormatChange, Stopwatch)>,
    most: usize,
    expires: Duration,
}

impl Default for PendingFormats {
    fn default() -> Self {
        Self { formats: HashMap::new(), most: MOST, expires: EXPIRES }
    }
}

impl PendingFormats {
    pub(crate) fn put(&mut self, call: &CallId, change: &FormatChange) -> Result<(), SetFormatError> {
        if self.formats.len() >= self.most && !self.formats.contains_key(call) {
            self.formats.retain(|_, (_, since)| since.elapsed() < self.expires);
            if self.formats.len() >= self.most {
                return Err(SetFormatError::Full { most: self.most });
            }
        }
        let change = self.get(call).map_or_else(|| change.clone(), |before| before.followed_by(change));
        self.formats.insert(call.clone(), (change, Stopwatch::start()));
        Ok(())
    }

    pub(crate) fn get(&self, call: &CallId) -> Option<&FormatChange> {
        self.formats.get(call).filter(|(_, since)| since.elapsed() < self.expires).map(|(change, _)| change)
    }
}

#[cfg(test)]
mod tests {
    use callrec_encode::{Bitrate, Format};

    use super::*;

    fn call(name: &str) -> CallId {
        CallId::new(name).unwrap()
    }

    #[test]
    fn what_is_set_twice_adds_up() {
        let mut pending = PendingFormats::default();
        pending.put(&call("CA1"), &FormatChange::to(Format::Mp3)).unwrap();
        let bitrate = FormatChange { bitrate: Some(Bitrate(64)), ..FormatChange::default() };
        pending.put(&call("CA1"), &bitrate).unwrap();
        assert_eq!(pending.get(&call("CA1")), Some(&FormatChange::to(Format::Mp3).with_bitrate(Bitrate(64))));
    }

    #[test]
    fn what_is_expired_is_forgotten_and_makes_room() {
        let mut pending = PendingFormats { most: 1, expires: Duration::ZERO, ..PendingFormats::default() };
        pending.put(&call("CA1"), &FormatChange::to(Format::Wav)).unwrap();
        assert_eq!(pending.get(&call("CA1")), None);
        pending.put(&call("CA2"), &FormatChange::to(Format::Wav)).unwrap();
        pending.expires = EXPIRES;
        assert!(matches!(
            pending.put(&call("CA3"), &FormatChange::default()),
            Err(SetFormatError::Full { most: 1 })
        ));
    }
}
