//! Settings that met a source rate and were found possible: all that an encoder needs to know.

use std::fmt;

use crate::encoder::Encoder;
use crate::format::Format;
use crate::mpeg;
use crate::settings::{Bitrate, RateSetting, Settings, WAV_LIMIT, WavEncoding};

/// One file to be written: checked settings, and what the file says of itself.
///
/// It is the whole input of an encoder beside the samples: the same spec and the same samples give the same bytes.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Spec {
    /// The file format.
    pub format: Format,
    /// The sampling rate of the file and of the samples to be passed in, in Hz.
    pub rate: u32,
    /// Channels of the file and of the samples: 1, or 2 (left the caller, right the assistant).
    pub channels: u8,
    /// MP3 only: the constant bitrate.
    pub mp3_bitrate: Bitrate,
    /// OGG only: Vorbis quality, −1 to 10.
    pub ogg_quality: f32,
    /// FLAC only: effort, 0 to 8.
    pub flac_level: u8,
    /// WAV only: what the file holds.
    pub wav_encoding: WavEncoding,
    /// WAV only: the largest file in bytes, header and all.
    pub wav_limit_bytes: u64,
    /// What the file says of the call.
    pub tags: Tags,
    /// OGG only: the serial number of the logical stream.
    pub serial: u32,
}

impl Settings {
    /// Checks the settings for a source of `source_hz` samples a second, and decides what was left open.
    ///
    /// The automatic rate is the lowest that the format and the bitrate allow, not below the source (a source above
    /// 48 kHz, the highest rate there is, gets 48 kHz).
    ///
    /// # Errors
    /// [`SpecError::Impossible`] names the setting, its value and what is allowed, for everything that a codec would
    /// refuse or silently change; [`SpecError::NotCompiled`] a format that this build cannot write.
    pub fn resolve(&self, source_hz: u32) -> Result<Spec, SpecError> {
        if !self.format.is_compiled() {
            return Err(SpecError::NotCompiled { format: self.format });
        }
        let rate = self.resolve_rate(source_hz)?;
        if self.format == Format::Ogg && !(-1.0..=10.0).contains(&self.ogg_quality) {
            return Err(impossible(Setting::OggQuality, self.ogg_quality, "-1 to 10"));
        }
        if self.format == Format::Flac && self.flac_level > 8 {
            return Err(impossible(Setting::FlacLevel, self.flac_level, "0 to 8"));
        }
        if self.format == Format::Wav && !(WAV_LIMIT_LEAST..=WAV_LIMIT).contains(&self.wav_limit_bytes) {
            let allowed = format!("{WAV_LIMIT_LEAST} to {WAV_LIMIT} bytes");
            return Err(impossible(Setting::WavLimit, self.wav_limit_bytes, allowed));
        }
        Ok(Spec {
            format: self.format,
            rate,
            channels: self.channels.count(),
            mp3_bitrate: self.mp3_bitrate,
            ogg_quality: self.ogg_quality,
            flac_level: self.flac_level,
            wav_encoding: self.wav_encoding,
            wav_limit_bytes: self.wav_limit_bytes,
            tags: Tags::default(),
            serial: 0,
        })
    }

    fn resolve_rate(&self, source_hz: u32) -> Result<u32, SpecError> {
        let kbps = self.mp3_bitrate.kbps();
        let mut allowed: Vec<u32> = match self.format {
            Format::Mp3 => mpeg::rates_for(kbps).collect(),
            Format::Wav | Format::Ogg | Format::Flac => mpeg::RATES.to_vec(),
        };
        if allowed.is_empty() {
            return Err(impossible(Setting::Mp3Bitrate, self.mp3_bitrate, kbit_list(&mpeg::all_bitrates())));
        }
        match self.rate {
            RateSetting::Hz(hz) if !mpeg::RATES.contains(&hz) => {
                Err(impossible(Setting::Rate, hz, format!("auto, {} Hz", list(&mpeg::RATES))))
            }
            RateSetting::Hz(hz) if !allowed.contains(&hz) => {
                let at_rate = kbit_list(mpeg::bitrates(hz));
                Err(impossible(Setting::Mp3Bitrate, self.mp3_bitrate, format!("at {hz} Hz: {at_rate}")))
            }
            RateSetting::Hz(hz) => Ok(hz),
            RateSetting::Auto => {
                let wanted = source_hz.min(mpeg::RATES[mpeg::RATES.len() - 1]);
                allowed.retain(|rate| *rate >= wanted);
                allowed.first().copied().ok_or_else(|| {
                    let next = mpeg::RATES.into_iter().find(|rate| *rate >= wanted).unwrap_or(wanted);
                    let at_rate = kbit_list(mpeg::bitrates(next));
                    impossible(Setting::Mp3Bitrate, self.mp3_bitrate, format!("at {next} Hz: {at_rate}"))
                })
            }
        }
    }
}

/// Room for the header with the longest tags and a second of sound.
const WAV_LIMIT_LEAST: u64 = 8_192;

impl Spec {
    /// Sets what the file says of the call.
    #[must_use]
    pub fn with_tags(mut self, tags: Tags) -> Self {
        self.tags = tags;
        self
    }

    /// Sets the Ogg serial number. It should differ between files that may be chained; it is an input, and not drawn
    /// at random, so that the same call gives the same bytes.
    #[must_use]
    pub fn with_serial(mut self, serial: u32) -> Self {
        self.serial = serial;
        self
    }

    /// Whether every sample passed in can be had back.
    pub fn is_lossless(&self) -> bool {
        self.format.is_lossless() && (self.format != Format::Wav || self.wav_encoding == WavEncoding::Pcm16)
    }

    /// The constant bitrate in kbit/s; none for the formats whose rate follows the sound. WAV's is rounded down.
    pub fn bitrate_kbps(&self) -> Option<u32> {
        match self.format {
            Format::Mp3 => Some(self.mp3_bitrate.kbps()),
            Format::Wav => Some(self.rate * u32::from(self.channels) * self.wav_bits() / 1_000),
            Format::Ogg | Format::Flac => None,
        }
    }

    /// The quality that Vorbis is asked for, for one as people know it from Xiph's encoder, -1 to 10.
    ///
    /// The Vorbis that is linked (aoTuV) spends its bits in another way. At 8 kHz its signal-to-noise ratio is as good
    /// as that of Xiph's at the same quality, or better. Above, on speech with one side silent, at quality 4, it is
    /// 1.9 dB lower at 16 kHz and 0.6 dB at 44.1 kHz; this much more quality makes up for it, at 10 % and 2 % more
    /// bytes.
    pub(crate) fn vorbis_quality(&self) -> f32 {
        let more = if self.rate <= 9_000 {
            0.0
        } else if self.rate <= 26_000 {
            0.8
        } else {
            0.2
        };
        self.ogg_quality + more
    }

    /// Bits of a sample in a WAV file.
    pub(crate) fn wav_bits(&self) -> u32 {
        match self.wav_encoding {
            WavEncoding::Pcm16 => 16,
            WavEncoding::Mulaw => 8,
        }
    }

    /// Opens an encoder.
    ///
    /// # Errors
    /// [`SpecError::NotCompiled`] for a format that this build lacks; [`SpecError::Codec`] if the codec does not
    /// start, for lack of memory for example.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>, SpecError> {
        match self.format {
            #[cfg(feature = "mp3")]
            Format::Mp3 => Ok(Box::new(crate::mp3::Mp3Encoder::new(self)?)),
            #[cfg(feature = "wav")]
            Format::Wav => Ok(Box::new(crate::wav::WavEncoder::new(self)?)),
            #[cfg(feature = "ogg")]
            Format::Ogg => Ok(Box::new(crate::ogg::OggEncoder::new(self)?)),
            #[cfg(feature = "flac")]
            Format::Flac => Ok(Box::new(crate::flac::FlacEncoder::new(self)?)),
            #[allow(unreachable_patterns, reason = "with every feature on, nothing is left")]
            format => Err(SpecError::NotCompiled { format }),
        }
    }
}

/// What a file says of the call it holds. Absent texts are left out of the file.
///
/// Control characters are dropped and texts cut to 200 characters: they come from the other end of a socket.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Tags {
    /// The title: the call SID, as a rule.
    pub title: Option<String>,
    /// When the call was, as ISO 8601 (`2025-07-13T10:30:00`).
    pub date: Option<String>,
    /// The program that made the recording.
    pub encoder: Option<String>,
}

impl Tags {
    /// Sets the title.
    #[must_use]
    pub fn with_title(mut self, text: &str) -> Self {
        self.title = clean(text);
        self
    }

    /// Sets the date.
    #[must_use]
    pub fn with_date(mut self, text: &str) -> Self {
        self.date = clean(text);
        self
    }

    /// Sets the name of the program.
    #[must_use]
    pub fn with_encoder(mut self, text: &str) -> Self {
        self.encoder = clean(text);
        self
    }

    /// The texts as they go into a file, also when the public fields were filled by hand.
    #[allow(dead_code, reason = "unused when no format is compiled")]
    pub(crate) fn cleaned(&self) -> Tags {
        let again = |text: &Option<String>| text.as_deref().and_then(clean);
        Tags { title: again(&self.title), date: again(&self.date), encoder: again(&self.encoder) }
    }
}

fn clean(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    (!kept.is_empty()).then_some(kept)
}

/// A setting, in errors; its text is the name operators know it by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Setting {
    /// [`Settings::mp3_bitrate`].
    Mp3Bitrate,
    /// [`Settings::rate`].
    Rate,
    /// [`Settings::ogg_quality`].
    OggQuality,
    /// [`Settings::flac_level`].
    FlacLevel,
    /// [`Settings::wav_limit_bytes`].
    WavLimit,
}

impl Setting {
    /// The name in the server's settings.
    pub const fn variable(self) -> &'static str {
        match self {
            Setting::Mp3Bitrate => "MP3_BITRATE",
            Setting::Rate => "AUDIO_SAMPLE_RATE",
            Setting::OggQuality => "OGG_QUALITY",
            Setting::FlacLevel => "FLAC_LEVEL",
            Setting::WavLimit => "WAV_LIMIT_BYTES",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.variable())
    }
}

/// Why a file cannot be written as asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A setting has a value that cannot be, alone or with the others.
    #[error("{setting}={value} is not possible; allowed: {allowed}")]
    Impossible {
        /// Which one.
        setting: Setting,
        /// Its value.
        value: String,
        /// What would be accepted.
        allowed: String,
    },
    /// This build cannot write the format.
    #[error(
        "{format} is not part of this build; it has: {}",
        Format::compiled().map(Format::extension).collect::<Vec<_>>().join(", ")
    )]
    NotCompiled {
        /// The format asked for.
        format: Format,
    },
    /// The codec did not start.
    #[error("the {format} encoder cannot start: {message}")]
    Codec {
        /// The format asked for.
        format: Format,
        /// The codec's own words.
        message: String,
    },
}

fn impossible(setting: Setting, value: impl fmt::Display, allowed: impl Into<String>) -> SpecError {
    SpecError::Impossible { setting, value: value.to_string(), allowed: allowed.into() }
}

fn list(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn kbit_list(kbps: &[u32]) -> String {
    kbps.iter().map(|kbps| Bitrate(*kbps).to_string()).collect::<Vec<_>>().join(", ")
}
