//! What an operator or a bot asks for, before it meets a source rate.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::format::Format;

/// How recordings are to be written. Not yet checked: [`Settings::resolve`](crate::Settings::resolve) does that,
/// once the source's sampling rate is known.
///
/// ```
/// # #[cfg(feature = "mp3")] {
/// use callrec_encode::{Channels, Format, Settings};
///
/// let settings = Settings::default()
///     .with_format(Format::Mp3)
///     .with_mp3_bitrate("64k".parse()?)
///     .with_channels(Channels::Stereo);
/// assert_eq!(settings.resolve(8_000)?.rate, 8_000); // 64 kbit/s is what MP3 allows at 8 kHz
/// assert_eq!(Settings::default().resolve(8_000)?.rate, 16_000); // 128 kbit/s needs 16 kHz
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Settings {
    /// The file format. Default: MP3.
    pub format: Format,
    /// The constant bitrate of MP3. Default: 128 kbit/s.
    pub mp3_bitrate: Bitrate,
    /// The sampling rate of the file. Default: automatic.
    pub rate: RateSetting,
    /// Two channels (left the caller, right the assistant) or one. Default: stereo.
    pub channels: Channels,
    /// Vorbis's quality, −1 to 10. Default: 4.
    pub ogg_quality: f32,
    /// FLAC's effort, 0 to 8: at 8 kHz, 5 makes files 6 % smaller than 0 for a third more time, and 8 hardly smaller. Default: 5.
    pub flac_level: u8,
    /// What a WAV file holds. Default: PCM of 16 bit.
    pub wav_encoding: WavEncoding,
    /// The largest WAV file in bytes, header and all. Default and maximum: 4 GiB − 1, where RIFF's 32-bit lengths end.
    pub wav_limit_bytes: u64,
}

/// The largest WAV file RIFF's 32-bit lengths can describe, in bytes.
pub(crate) const WAV_LIMIT: u64 = u32::MAX as u64;

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::Mp3,
            mp3_bitrate: Bitrate(128),
            rate: RateSetting::Auto,
            channels: Channels::Stereo,
            ogg_quality: 4.0,
            flac_level: 5,
            wav_encoding: WavEncoding::Pcm16,
            wav_limit_bytes: WAV_LIMIT,
        }
    }
}

impl Settings {
    /// Changes the format.
    #[must_use]
    pub fn with_format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Changes the MP3 bitrate.
    #[must_use]
    pub fn with_mp3_bitrate(mut self, bitrate: Bitrate) -> Self {
        self.mp3_bitrate = bitrate;
        self
    }

    /// Changes the sampling rate.
    #[must_use]
    pub fn with_rate(mut self, rate: RateSetting) -> Self {
        self.rate = rate;
        self
    }

    /// Changes the number of channels.
    #[must_use]
    pub fn with_channels(mut self, channels: Channels) -> Self {
        self.channels = channels;
        self
    }

    /// Changes the Vorbis quality.
    #[must_use]
    pub fn with_ogg_quality(mut self, quality: f32) -> Self {
        self.ogg_quality = quality;
        self
    }

    /// Changes the FLAC level, 0 to 8; from 5 on all are the same.
    #[must_use]
    pub fn with_flac_level(mut self, level: u8) -> Self {
        self.flac_level = level;
        self
    }

    /// Changes what a WAV file holds.
    #[must_use]
    pub fn with_wav_encoding(mut self, encoding: WavEncoding) -> Self {
        self.wav_encoding = encoding;
        self
    }

    /// Changes the largest size of a WAV file, in bytes.
    #[must_use]
    pub fn with_wav_limit_bytes(mut self, limit: u64) -> Self {
        self.wav_limit_bytes = limit;
        self
    }
}

/// A bitrate in kbit/s (1,000 bits). Text form: `128k`; `128` is read too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub struct Bitrate(pub u32);

impl Bitrate {
    /// The rate in kbit/s.
    pub const fn kbps(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}k", self.0)
    }
}

impl FromStr for Bitrate {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let digits = trimmed.strip_suffix(['k', 'K']).unwrap_or(trimmed);
        parse_digits(digits)
            .filter(|kbps| *kbps > 0)
            .map(Bitrate)
            .ok_or_else(|| ParseSettingError::new(text, "kbit/s, as in 128k"))
    }
}

/// The sampling rate of the file. Text form: `auto`, or Hz as in `16000`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "NumberOrText", into = "String")]
pub enum RateSetting {
    /// The lowest rate that the format and its bitrate allow, never below the source's.
    #[default]
    Auto,
    /// This many Hz.
    Hz(u32),
}

impl fmt::Display for RateSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateSetting::Auto => f.write_str("auto"),
            RateSetting::Hz(hz) => write!(f, "{hz}"),
        }
    }
}

impl FromStr for RateSetting {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("auto") {
            return Ok(RateSetting::Auto);
        }
        parse_digits(trimmed)
            .map(RateSetting::Hz)
            .ok_or_else(|| ParseSettingError::new(text, "auto, or a rate in Hz such as 16000"))
    }
}

/// How many channels the file has. Text form: `stereo`, `mono`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Two: left the caller, right the assistant.
    #[default]
    Stereo,
    /// One: both parties together.
    Mono,
}

impl Channels {
    /// 1 or 2.
    pub const fn count(self) -> u8 {
        match self {
            Channels::Stereo => 2,
            Channels::Mono => 1,
        }
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Channels::Stereo => "stereo",
            Channels::Mono => "mono",
        })
    }
}

impl FromStr for Channels {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "stereo" => Ok(Channels::Stereo),
            "mono" => Ok(Channels::Mono),
            _ => Err(ParseSettingError::new(text, "stereo or mono")),
        }
    }
}

/// What a WAV file holds. Text form: `pcm16`, `mulaw`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WavEncoding {
    /// Linear PCM of 16 bit, format tag 1.
    #[default]
    Pcm16,
    /// G.711 μ-law of 8 bit, format tag 7: half the size, and lossless for a μ-law line at its own rate.
    Mulaw,
}

impl fmt::Display for WavEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            WavEncoding::Pcm16 => "pcm16",
            WavEncoding::Mulaw => "mulaw",
        })
    }
}

impl FromStr for WavEncoding {
    type Err = ParseSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim().to_ascii_lowercase().as_str() {
            "pcm16" => Ok(WavEncoding::Pcm16),
            "mulaw" => Ok(WavEncoding::Mulaw),
            _ => Err(ParseSettingError::new(text, "pcm16 or mulaw")),
        }
    }
}

/// A setting's text that says none of its values.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct ParseSettingError {
    value: String,
    expected: &'static str,
}

impl ParseSettingError {
    pub(crate) fn new(value: &str, expected: &'static str) -> Self {
        // The text may come from a request: what is repeated of it is bounded.
        Self { value: value.chars().take(40).collect(), expected }
    }

    /// What would have been understood, in words.
    pub fn expected(&self) -> &'static str {
        self.expected
    }
}

/// A number, or the text of one, as both are natural in JSON.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u32),
    Text(String),
}

impl TryFrom<NumberOrText> for Bitrate {
    type Error = ParseSettingError;

    fn try_from(value: NumberOrText) -> Result<Self, Self::Error> {
        match value {
            NumberOrText::Number(kbps) => kbps.to_string().parse(),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl TryFrom<NumberOrText> for RateSetting {
    type Error = ParseSettingError;

    fn try_from(value: NumberOrText) -> Result<Self, Self::Error> {
        match value {
            NumberOrText::Number(hz) => Ok(RateSetting::Hz(hz)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl From<Bitrate> for String {
    fn from(bitrate: Bitrate) -> Self {
        bitrate.to_string()
    }
}

impl From<RateSetting> for String {
    fn from(rate: RateSetting) -> Self {
        rate.to_string()
    }
}

/// Digits alone: no sign, no space, as `u32::from_str` would take a `+`.
fn parse_digits(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
