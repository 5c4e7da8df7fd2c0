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
/// Exact but for the header for MP3 and WAV. For OGG and FLAC it depends on what is said; the figures are measured:
/// ten minutes of 240 recorded telephone prompts (Debian's `asterisk-core-sounds-en-wav`), spoken in turns by two
/// parties with hardly a pause, passed through μ-law, resampled where the rate is not 8 kHz, and as written here.
/// Between what was measured it goes on straight. A call with long pauses takes less.
pub fn estimated_mb_per_minute(spec: &Spec) -> f64 {
    let bytes_per_second = match spec.format {
        Format::Mp3 => f64::from(spec.mp3_bitrate.kbps()) * 125.0,
        Format::Wav => f64::from(spec.rate * u32::from(spec.channels) * spec.wav_bits() / 8),
        Format::Ogg => {
            let by_rate = OGG_BYTES
                .map(|(rate, by_quality)| (rate, between(&by_quality, spec.vorbis_quality().into())));
            let stereo = between(&by_rate, spec.rate.into());
            if spec.channels == 1 { stereo * OGG_MONO } else { stereo }
        }
        // One channel costs what two do of which one is always silent.
        Format::Flac => {
            let level = f64::from(spec.flac_level);
            between(&FLAC_BYTES.map(|(rate, by_level)| (rate, between(&by_level, level))), spec.rate.into())
        }
    };
    bytes_per_second * 60.0 / 1e6
}

/// Bytes a second of stereo Vorbis, by rate and then by the quality that Vorbis is asked for.
const OGG_BYTES: [(f64, [(f64, f64); 6]); 3] = [
    (
        8_000.0,
        [(-1.0, 1_414.0), (0.0, 2_356.0), (2.0, 3_145.0), (4.0, 3_982.0), (6.0, 4_860.0), (10.0, 6_678.0)],
    ),
    (
        16_000.0,
        [(-1.0, 2_091.0), (0.0, 2_743.0), (2.0, 3_772.0), (4.0, 4_802.0), (6.0, 6_122.0), (10.0, 10_260.0)],
    ),
    (
        44_100.0,
        [(-1.0, 3_794.0), (0.0, 4_756.0), (2.0, 6_730.0), (4.0, 7_731.0), (6.0, 11_562.0), (10.0, 30_888.0)],
    ),
];
/// What one channel takes of what two do, at quality 4.
const OGG_MONO: f64 = 0.77;
/// Bytes a second of FLAC, by rate and then by level.
const FLAC_BYTES: [(f64, [(f64, f64); 5]); 4] = [
    (8_000.0, [(0.0, 8_226.0), (2.0, 8_193.0), (3.0, 7_886.0), (5.0, 7_753.0), (8.0, 7_721.0)]),
    (16_000.0, [(0.0, 17_398.0), (2.0, 17_281.0), (3.0, 15_241.0), (5.0, 13_096.0), (8.0, 12_764.0)]),
    (24_000.0, [(0.0, 20_955.0), (2.0, 20_822.0), (3.0, 17_845.0), (5.0, 14_753.0), (8.0, 14_442.0)]),
    (44_100.0, [(0.0, 24_725.0), (2.0, 24_590.0), (3.0, 21_461.0), (5.0, 18_747.0), (8.0, 17_777.0)]),
];

/// The value at `x` on the line through the points, which stand in ascending order; at the ends it goes on straight.
fn between(points: &[(f64, f64)], x: f64) -> f64 {
    let pair = points.windows(2).find(|pair| x <= pair[1].0).or_else(|| points.windows(2).last());
    match pair {
        Some(&[(x0, y0), (x1, y1)]) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Bitrate, Channels, RateSetting};

    fn cost(settings: &Settings) -> f64 {
        (estimated_mb_per_minute(&settings.resolve(8_000).unwrap()) * 1e4).round() / 1e4
    }

    #[test]
    fn mp3_and_wav_cost_their_bits() {
        let mp3 = Settings::default();
        let wav = Settings::default().with_format(Format::Wav);
        if Format::Mp3.is_compiled() {
            assert_eq!(cost(&mp3), 0.96);
            assert_eq!(cost(&mp3.with_mp3_bitrate(Bitrate(64))), 0.48);
        }
        if Format::Wav.is_compiled() {
            assert_eq!(cost(&wav), 1.92);
            assert_eq!(cost(&wav.clone().with_rate(RateSetting::Hz(44_100))), 10.584);
            assert_eq!(cost(&wav.with_wav_encoding(WavEncoding::Mulaw).with_channels(Channels::Mono)), 0.48);
        }
    }

    #[test]
    fn ogg_costs_what_was_measured_and_more_at_more_quality() {
        if !Format::Ogg.is_compiled() {
            return;
        }
        let ogg = Settings::default().with_format(Format::Ogg);
        assert_eq!(cost(&ogg), 0.2389);
        assert_eq!(cost(&ogg.clone().with_rate(RateSetting::Hz(44_100))), 0.4868);
        let by_quality: Vec<f64> =
            (-1_i8..=10).map(|quality| cost(&ogg.clone().with_ogg_quality(quality.into()))).collect();
        assert!(by_quality.is_sorted_by(|a, b| a < b), "{by_quality:?}");
    }

    #[test]
    fn flac_costs_what_was_measured_and_less_at_a_higher_level() {
        if !Format::Flac.is_compiled() {
            return;
        }
        let flac = Settings::default().with_format(Format::Flac);
        for (rate, dearest, default) in [(8_000, 0.4936, 0.4652), (44_100, 1.4835, 1.1248)] {
            let flac = flac.clone().with_rate(RateSetting::Hz(rate));
            let by_level: Vec<f64> =
                (0..=8).map(|level| cost(&flac.clone().with_flac_level(level))).collect();
            assert_eq!((by_level[0], by_level[5]), (dearest, default));
            assert!(by_level.is_sorted_by(|a, b| a > b), "{by_level:?}");
        }
    }

    #[test]
    fn the_catalogue_lists_what_is_compiled_and_prices_what_is_possible() {
        let settings = Settings::default().with_rate(RateSetting::Hz(8_000)); // 128k is impossible there
        let all = catalogue(&settings, 8_000);
        assert_eq!(
            all.iter().map(|info| info.format).collect::<Vec<_>>(),
            Format::compiled().collect::<Vec<_>>()
        );
        for info in all {
            assert_eq!(info.mb_per_minute.is_some(), info.format != Format::Mp3, "{info:?}");
            assert_eq!(
                info.rates.iter().all(|rate| rate.bitrates_kbps.is_empty()),
                info.format != Format::Mp3
            );
        }
    }
}
