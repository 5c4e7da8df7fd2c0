//! What can be said of each format before a call: the choices it leaves, and what a minute costs.

use serde::Serialize;

use crate::format::Format;
use crate::mpeg;
use crate::settings::{Settings, WavEncoding};
use crate::spec::Spec;

/// One format as a catalogue shows it.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct FormatInfo {
    /// The format; its name in settings and requests.
    pub format: Format,
    /// The file name's ending, without the dot.
    pub extension: &'static str,
    /// The media type.
    pub media_type: &'static str,
    /// Whether every sample is kept.
    pub lossless: bool,
    /// What one loses, in a line.
    pub quality: &'static str,
    /// When to choose it, in a line.
    pub best_for: &'static str,
    /// The sampling rates in Hz it can have, and at each the bitrates in kbit/s there are to choose from (none where
    /// the bitrate is not chosen).
    pub rates: Vec<RateInfo>,
    /// Megabytes (1,000,000 bytes) a minute under the settings asked about; none if they are impossible for this format.
    pub mb_per_minute: Option<f64>,
}

/// One sampling rate of a format.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct RateInfo {
    /// In Hz.
    pub rate_hz: u32,
    /// In kbit/s, ascending.
    pub bitrates_kbps: &'static [u32],
}

/// The formats this build can write, the recommended one first, costed at `settings` for a source of `source_hz`.
pub fn catalogue(settings: &Settings, source_hz: u32) -> Vec<FormatInfo> {
    Format::compiled()
        .map(|format| FormatInfo {
            format,
            extension: format.extension(),
            media_type: format.media_type(),
            lossless: format.is_lossless()
                && (format != Format::Wav || settings.wav_encoding == WavEncoding::Pcm16),
            quality: format.quality(),
            best_for: format.best_for(),
            rates: mpeg::RATES
                .into_iter()
                .map(|rate_hz| RateInfo {
                    rate_hz,
                    bitrates_kbps: if format == Format::Mp3 { mpeg::bitrates(rate_hz) } else { &[] },
                })
                .collect(),
            mb_per_minute: settings
                .clone()
                .with_format(format)
                .resolve(source_hz)
                .ok()
                .map(|spec| estimated_mb_per_minute(&spec)),
        })
        .collect()
}

/// Megabytes (1,000,000 bytes) that a minute of a call takes.
///
/// Exact but for the header for MP3 and WAV. For OGG and FLAC it depends on what is said: the figures are those of
/// a telephone conversation in which the parties take turns.
pub fn estimated_mb_per_minute(spec: &Spec) -> f64 {
    let bytes_per_second = match spec.format {
        Format::Mp3 => f64::from(spec.mp3_bitrate.kbps()) * 125.0,
        Format::Wav => f64::from(spec.rate * u32::from(spec.channels) * spec.wav_bits() / 8),
        Format::Ogg => {
            let at_four = 1_500.0 * f64::from(spec.channels) * f64::from(spec.rate) / 8_000.0;
            at_four * 1.15_f64.powf(f64::from(spec.ogg_quality) - 4.0)
        }
        Format::Flac => 2.0 * f64::from(spec.rate * u32::from(spec.channels)) * 0.3,
    };
    bytes_per_second * 60.0 / 1e6
}
