//! How loud a track is, from window to window of 20 ms.

use callrec_session::Track;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Whose audio it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// The person on the phone.
    Caller,
    /// The voice bot.
    Assistant,
    /// Both in one track: a mono recording.
    Both,
}

impl From<Track> for Voice {
    fn from(track: Track) -> Self {
        match track {
            Track::Caller => Self::Caller,
            Track::Assistant => Self::Assistant,
        }
    }
}

/// How loud a stretch of audio is. 32,768 is full scale.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Level {
    /// The largest sample, without its sign.
    pub peak: u16,
    /// The root of the mean square.
    pub rms: u16,
}

impl Level {
    /// The peak in decibels below full scale, 0 at most; none for silence.
    #[must_use]
    pub fn peak_db(self) -> Option<f64> {
        (self.peak > 0).then(|| 20.0 * (f64::from(self.peak) / 32_768.0).log10())
    }

    /// Whether there is something to hear: peaks above -42 dB, where a telephone's noise is not.
    #[must_use]
    pub const fn sounds(self) -> bool {
        self.peak > 260
    }
}

/// A track's levels.
///
/// The JSON has no more than 2,000 peaks of it, each over `step_ms`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackLevels {
    voice: Voice,
    levels: Vec<Level>,
}

impl TrackLevels {
    /// How long a window is, in milliseconds.
    pub const STEP_MS: u64 = 20;
    /// The most peaks in JSON.
    const MOST_IN_JSON: u64 = 2_000;

    /// Whose they are.
    #[must_use]
    pub const fn voice(&self) -> Voice {
        self.voice
    }

    /// One for each window.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The level from one time to another, in milliseconds; of the windows that begin there, or the one that holds it.
    #[must_use]
    pub fn between(&self, from_ms: u64, to_ms: u64) -> Level {
        let len = self.levels.len();
        let from = usize::try_from(from_ms / Self::STEP_MS).unwrap_or(len).min(len);
        let to = usize::try_from(to_ms.div_ceil(Self::STEP_MS)).unwrap_or(len).min(len);
        let windows = &self.levels[from..to.max(from)];
        let peak = windows.iter().map(|level| level.peak).max().unwrap_or(0);
        let squares: f64 = windows.iter().map(|level| f64::from(level.rms).powi(2)).sum();
        Level { peak, rms: (squares / windows.len().max(1) as f64).sqrt() as u16 }
    }

    /// How long there was something to hear, in milliseconds.
    #[must_use]
    pub fn sound_ms(&self) -> u64 {
        self.levels.iter().filter(|level| level.sounds()).count() as u64 * Self::STEP_MS
    }
}

impl Serialize for TrackLevels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let windows = (self.levels.len() as u64).div_ceil(Self::MOST_IN_JSON).max(1);
        let peaks: Vec<u16> = self
            .levels
            .chunks(windows as usize)
            .map(|chunk| chunk.iter().map(|level| level.peak).max().unwrap_or(0))
            .collect();
        let mut track = serializer.serialize_struct("TrackLevels", 4)?;
        track.serialize_field("track", &self.voice)?;
        track.serialize_field("sound_ms", &self.sound_ms())?;
        track.serialize_field("step_ms", &(windows * Self::STEP_MS))?;
        track.serialize_field("peaks", &peaks)?;
        track.end()
    }
}

/// Measures samples as they come.
#[derive(Debug)]
pub(super) struct Meter {
    rate: u64,
    samples: u64,
    /// Where the current window ends, in samples.
    until: u64,
    in_window: u64,
    peak: u16,
    squares: u64,
    levels: Vec<Level>,
}

impl Meter {
    pub(super) fn new(rate: u32) -> Self {
        let mut meter = Self {
            rate: u64::from(rate.max(50)),
            samples: 0,
            until: 0,
            in_window: 0,
            peak: 0,
            squares: 0,
            levels: Vec::new(),
        };
        meter.begin_window();
        meter
    }

    /// Windows of rates that are no multiple of 50 Hz differ by a sample, so that none of them drifts.
    fn begin_window(&mut self) {
        let next = self.levels.len() as u64 + 1;
        self.until = next * self.rate * TrackLevels::STEP_MS / 1_000;
        (self.in_window, self.peak, self.squares) = (0, 0, 0);
    }

    pub(super) fn add(&mut self, samples: impl IntoIterator<Item = i16>) {
        for sample in samples {
            self.samples += 1;
            self.in_window += 1;
            self.peak = self.peak.max(sample.unsigned_abs());
            self.squares += u64::from(sample.unsigned_abs()).pow(2);
            if self.samples == self.until {
                self.end_window();
            }
        }
    }

    fn end_window(&mut self) {
        let mean = self.squares / self.in_window.max(1);
        self.levels.push(Level { peak: self.peak, rms: mean.isqrt() as u16 });
        self.begin_window();
    }

    pub(super) fn ms(&self) -> u64 {
        self.samples * 1_000 / self.rate
    }

    pub(super) fn finish(mut self, voice: Voice) -> TrackLevels {
        if self.in_window > 0 {
            self.end_window();
        }
        TrackLevels { voice, levels: self.levels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_have_the_level_of_their_samples_at_any_rate() {
        for rate in [8_000_u32, 11_025, 48_000] {
            let mut meter = Meter::new(rate);
            let half = rate as usize / 2;
            meter.add(std::iter::repeat_n(0, half).chain(std::iter::repeat_n(-1_000, half)));
            assert_eq!(meter.ms() / 10, 99 + u64::from(rate.is_multiple_of(2)), "{rate}");
            let track = meter.finish(Voice::Caller);
            assert_eq!(track.levels().len(), 50, "{rate}");
            assert_eq!(track.between(0, 480), Level::default(), "{rate}");
            assert_eq!(track.between(520, 1_000), Level { peak: 1_000, rms: 1_000 }, "{rate}");
            assert!((480..=520).contains(&track.sound_ms()), "{rate}");
            assert_eq!(track.between(5_000, 9_000), Level::default());
        }
    }

    #[test]
    fn json_has_no_more_peaks_than_a_picture_has_points() {
        let levels = vec![Level { peak: 7, rms: 5 }; 4_001];
        let json = serde_json::to_value(TrackLevels { voice: Voice::Both, levels }).unwrap();
        assert_eq!((&json["track"], &json["step_ms"]), (&"both".into(), &60.into()));
        assert_eq!(json["peaks"].as_array().map(Vec::len), Some(1_334));
    }
}
