//! Formats that were chosen for calls before they began.

use std::collections::HashMap;
use std::time::Duration;

use callrec_encode::Settings;
use callrec_store::CallId;

use crate::clock::Stopwatch;
use crate::error::SetFormatError;
use crate::options::FormatChange;

/// For how many calls a format is remembered.
const MOST: usize = 10_000;
/// How long. A call that was announced begins within seconds.
const EXPIRES: Duration = Duration::from_secs(3600);

/// The sampling rate, in Hz, of a call that has not begun.
pub(crate) const PHONE_LINE_HZ: u32 = 8_000;

#[derive(Debug)]
pub(crate) struct PendingFormats {
    formats: HashMap<CallId, Pending>,
    most: usize,
    expires: Duration,
}

#[derive(Debug)]
struct Pending {
    change: FormatChange,
    since: Stopwatch,
    /// The call has it. What is still remembered is for later streams of the same call.
    begun: bool,
}

impl Default for PendingFormats {
    fn default() -> Self {
        Self { formats: HashMap::new(), most: MOST, expires: EXPIRES }
    }
}

impl PendingFormats {
    /// Adds a change to those that were chosen for the call before. What all of them make of `settings` must be possible.
    pub(crate) fn put(
        &mut self,
        call: &CallId,
        change: &FormatChange,
        settings: &Settings,
    ) -> Result<(), SetFormatError> {
        change.check()?;
        let merged = self.get(call).map_or_else(|| change.clone(), |before| before.followed_by(change));
        merged.apply(settings).resolve(PHONE_LINE_HZ)?;
        if self.formats.len() >= self.most && !self.formats.contains_key(call) {
            self.make_room()?;
        }
        let begun = self.formats.get(call).is_some_and(|before| before.begun);
        self.formats.insert(call.clone(), Pending { change: merged, since: Stopwatch::start(), begun });
        Ok(())
    }

    /// Forgets what has expired; if nothing has, the oldest of those whose call has begun.
    fn make_room(&mut self) -> Result<(), SetFormatError> {
        self.formats.retain(|_, pending| pending.since.elapsed() < self.expires);
        if self.formats.len() < self.most {
            return Ok(());
        }
        let begun = self.formats.iter().filter(|(_, pending)| pending.begun);
        let oldest = begun.max_by_key(|(_, pending)| pending.since.elapsed()).map(|(call, _)| call.clone());
        let oldest = oldest.ok_or(SetFormatError::Full { most: self.most })?;
        self.formats.remove(&oldest);
        Ok(())
    }

    pub(crate) fn get(&self, call: &CallId) -> Option<&FormatChange> {
        let pending = self.formats.get(call).filter(|pending| pending.since.elapsed() < self.expires);
        pending.map(|pending| &pending.change)
    }

    /// The call has begun, with what was chosen for it.
    pub(crate) fn note_begun(&mut self, call: &CallId) {
        if let Some(pending) = self.formats.get_mut(call) {
            pending.begun = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use callrec_encode::{Bitrate, Format, RateSetting};

    use super::*;

    fn call(name: &str) -> CallId {
        CallId::new(name).unwrap()
    }

    fn put(pending: &mut PendingFormats, name: &str, change: &FormatChange) -> Result<(), SetFormatError> {
        pending.put(&call(name), change, &Settings::default())
    }

    #[test]
    fn what_is_set_twice_adds_up() {
        let mut pending = PendingFormats::default();
        put(&mut pending, "CA1", &FormatChange::to(Format::Mp3)).unwrap();
        let bitrate = FormatChange { bitrate: Some(Bitrate(64)), ..FormatChange::default() };
        put(&mut pending, "CA1", &bitrate).unwrap();
        assert_eq!(pending.get(&call("CA1")), Some(&FormatChange::to(Format::Mp3).with_bitrate(Bitrate(64))));
    }

    #[test]
    fn a_bitrate_is_one_of_mp3s_even_beside_another_format_and_what_adds_up_is_possible() {
        let mut pending = PendingFormats::default();
        let flac_at = |kbps| FormatChange::to(Format::Flac).with_bitrate(Bitrate(kbps));
        let refused = put(&mut pending, "CA1", &flac_at(7)).unwrap_err().to_string();
        assert!(refused.contains("MP3_BITRATE=7k is not possible; allowed: 8k"), "{refused}");
        put(&mut pending, "CA1", &flac_at(64)).unwrap();

        // FLAC at 8 kHz does not mind; MP3 has no 320 kbit/s there.
        let at_8_khz = FormatChange { rate: Some(RateSetting::Hz(8_000)), ..flac_at(320) };
        put(&mut pending, "CA1", &at_8_khz).unwrap();
        let refused = put(&mut pending, "CA1", &FormatChange::to(Format::Mp3)).unwrap_err().to_string();
        assert!(refused.contains("MP3_BITRATE=320k is not possible; allowed: at 8000 Hz"), "{refused}");
        assert_eq!(pending.get(&call("CA1")), Some(&at_8_khz), "what was chosen before stays");
    }

    #[test]
    fn what_is_expired_is_forgotten_and_makes_room() {
        let mut pending = PendingFormats { most: 1, expires: Duration::ZERO, ..PendingFormats::default() };
        put(&mut pending, "CA1", &FormatChange::to(Format::Wav)).unwrap();
        assert_eq!(pending.get(&call("CA1")), None);
        put(&mut pending, "CA2", &FormatChange::to(Format::Wav)).unwrap();
        pending.expires = EXPIRES;
        let full = put(&mut pending, "CA3", &FormatChange::default());
        assert!(matches!(full, Err(SetFormatError::Full { most: 1 })));
    }

    #[test]
    fn calls_that_began_make_room_the_oldest_first() {
        let mut pending = PendingFormats { most: 3, ..PendingFormats::default() };
        for name in ["CA1", "CA2", "CA3"] {
            put(&mut pending, name, &FormatChange::to(Format::Wav)).unwrap();
        }
        pending.note_begun(&call("CA3"));
        pending.note_begun(&call("CA2"));
        put(&mut pending, "CA4", &FormatChange::to(Format::Wav)).unwrap();
        let remembered = |pending: &PendingFormats| {
            ["CA1", "CA2", "CA3", "CA4"].map(|name| pending.get(&call(name)).is_some())
        };
        assert_eq!(remembered(&pending), [true, false, true, true]);
        put(&mut pending, "CA5", &FormatChange::to(Format::Wav)).unwrap();
        assert_eq!(remembered(&pending), [true, false, false, true]);
        assert!(put(&mut pending, "CA6", &FormatChange::to(Format::Wav)).is_err(), "none of them has begun");
    }
}
