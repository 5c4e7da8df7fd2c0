//! A moment as people wrote it down where the call was: an instant and the offset from UTC that held there.

use std::fmt;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An instant, with the offset from UTC that the clock on the wall had then.
///
/// It prints as local time to the second and without offset, `2025-07-13T10:30:00`. In JSON it keeps everything:
/// `2025-07-13T10:30:00.25+02:00`. The time zone of the machine that reads it plays no part.
///
/// ```
/// use callrec_summary::LocalTime;
///
/// let time = LocalTime::from_unix_ms(1_752_395_400_250, 2 * 3600).ok_or("no such time")?;
/// assert_eq!(time.to_string(), "2025-07-13T10:30:00");
/// assert_eq!(serde_json::to_string(&time)?, r#""2025-07-13T10:30:00.25+02:00""#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LocalTime {
    instant: Timestamp,
    offset: Offset,
}

impl LocalTime {
    /// An instant, at an offset east of UTC.
    pub const fn new(instant: Timestamp, offset: Offset) -> Self {
        Self { instant, offset }
    }

    /// From milliseconds since 1970-01-01T00:00:00Z and an offset east of UTC in seconds.
    ///
    /// `None` if there is no such time: years beyond ±9999, offsets beyond ±26 hours.
    pub fn from_unix_ms(ms: i64, offset_seconds: i32) -> Option<Self> {
        let instant = Timestamp::from_millisecond(ms).ok()?;
        let offset = Offset::from_seconds(offset_seconds).ok()?;
        Some(Self { instant, offset })
    }

    /// The same offset, `ms` milliseconds later; the latest time there is if that is beyond it.
    pub fn plus_ms(self, ms: u64) -> Self {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        let instant = self.instant.saturating_add(jiff::SignedDuration::from_millis(ms));
        Self { instant: instant.unwrap_or(Timestamp::MAX), ..self }
    }

    /// The instant, wherever one is.
    pub const fn instant(self) -> Timestamp {
        self.instant
    }

    /// The offset east of UTC.
    pub const fn offset(self) -> Offset {
        self.offset
    }
}

impl fmt::Display for LocalTime {
    /// Local time to the second, without offset: `2025-07-13T10:30:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.offset.to_datetime(self.instant);
        write!(f, "{}", local.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.instant.display_with_offset(self.offset))
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map_err(|reason| de::Error::custom(format_args!("{text:?} is not a time: {reason}")))
    }
}

fn parse(text: &str) -> Result<LocalTime, String> {
    let pieces = Pieces::parse(text).map_err(|e| e.to_string())?;
    let time = pieces.time().ok_or("the time of day is missing")?;
    let offset = pieces.to_numeric_offset().ok_or("the offset is missing, for example +02:00")?;
    let instant = offset.to_timestamp(pieces.date().to_datetime(time)).map_err(|e| e.to_string())?;
    Ok(LocalTime { instant, offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LocalTime, serde_json::Error> {
        serde_json::from_str(&format!("\"{text}\""))
    }

    #[test]
    fn json_keeps_instant_and_offset() {
        for (ms, offset) in [(0, 0), (1_752_395_400_123, 7200), (1_752_395_400_000, -12_600), (-1, 19_800)] {
            let time = LocalTime::from_unix_ms(ms, offset).unwrap();
            let json = serde_json::to_string(&time).unwrap();
            assert_eq!(serde_json::from_str::<LocalTime>(&json).unwrap(), time, "{json}");
        }
    }

    #[test]
    fn utc_of_other_programs_is_read() {
        assert_eq!(read("2025-07-13T08:30:00Z").unwrap().to_string(), "2025-07-13T08:30:00");
    }

    #[test]
    fn a_time_without_offset_or_without_hours_is_refused() {
        assert!(read("2025-07-13T08:30:00").unwrap_err().to_string().contains("offset"));
        assert!(read("2025-07-13").is_err());
        assert!(read("yesterday").is_err());
    }

    #[test]
    fn impossible_numbers_are_no_time() {
        assert!(LocalTime::from_unix_ms(i64::MAX, 0).is_none());
        assert!(LocalTime::from_unix_ms(0, i32::MAX).is_none());
    }

    #[test]
    fn adding_more_than_there_is_stays_at_the_end() {
        let time = LocalTime::from_unix_ms(0, 0).unwrap();
        assert_eq!(time.plus_ms(1500).instant().as_millisecond(), 1500);
        assert_eq!(time.plus_ms(u64::MAX).instant(), Timestamp::MAX);
    }
}
