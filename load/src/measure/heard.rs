//! Whether a recording sounds as its call did: what a player hears, held against what was said, as loudness over time.

use anyhow::{Context as _, ensure};
use callrec_audio::g711::ulaw_to_linear;
use callrec_encode::Format;
use callrec_encode::readback::decode_file;
use callrec_session::Track;
use callrec_simulator::TICK_SAMPLES;
use std::fs::File;
use std::path::Path;

use crate::Sound;

/// The names of the two, left and right.
const SIDES: [(Track, &str); 2] = [(Track::Caller, "the caller"), (Track::Assistant, "the assistant")];
/// Ticks of 20 ms in a second.
const TICKS: usize = 50;
/// How much later or earlier than it was said something may be heard, in ticks, beside what the calling machine was late.
const MARGIN: usize = 10;
/// By what factor the energy of a second may differ: 6 dB.
const WITHIN: f64 = 4.0;
/// What is no louder is silent: -60 dB of full scale.
const SILENT: f64 = 1e-6;

/// What one of the two said, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) seed: u64,
    /// Number of the first sample, its place since the stream began, and how many.
    pub(crate) runs: Vec<(u64, u64, u64)>,
}

/// A call's sound, that of the caller first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) sound: Sound,
    pub(crate) sides: [Side; 2],
    /// By how many milliseconds the calling machine was late.
    pub(crate) late_ms: u64,
}

/// How loud a channel is: the mean square of each tick, where 1 is full scale.
type Loudness = Vec<f64>;

impl Said {
    /// Decodes a recording; gives its length in milliseconds.
    ///
    /// # Errors
    /// It cannot be decoded, somebody is not heard in it as he spoke, or is heard where he was silent.
    pub(crate) fn check(&self, file: &Path, format: Format) -> anyhow::Result<u64> {
        let (channels, rate, frames) = decode(file, format)?;
        let margin = MARGIN + self.late_ms.div_ceil(20) as usize;
        let said = self.loudness();
        match channels.as_slice() {
            [both] => {
                let mixed: Loudness = said[0].iter().zip(&said[1]).map(|(a, b)| (a + b) / 2.0).collect();
                compare(both, &mixed, margin).context("both together")?;
            }
            [_, _] => {
                for ((heard, said), (_, name)) in channels.iter().zip(&said).zip(SIDES) {
                    compare(heard, said, margin).context(name)?;
                }
            }
            _ => anyhow::bail!("it has {} channels", channels.len()),
        }
        Ok(frames * 1_000 / u64::from(rate.max(1)))
    }

    /// Of both, equally long.
    fn loudness(&self) -> [Loudness; 2] {
        let end = self.sides.iter().flat_map(|side| &side.runs).map(|(_, at, samples)| at + samples).max();
        let ticks = end.unwrap_or(0).div_ceil(TICK_SAMPLES) as usize;
        let mut both = [vec![0.0; ticks], vec![0.0; ticks]];
        for ((loudness, side), (track, _)) in both.iter_mut().zip(&self.sides).zip(SIDES) {
            for &(first, at, samples) in &side.runs {
                for index in 0..samples {
                    let code = self.sound.code(track, side.seed, first + index);
                    loudness[((at + index) / TICK_SAMPLES) as usize] +=
                        square(ulaw_to_linear(code)) / TICK_SAMPLES as f64;
                }
            }
        }
        both
    }
}

fn square(sample: i16) -> f64 {
    (f64::from(sample) / 32_768.0).powi(2)
}

/// The loudness of each channel, samples a second, and frames (samples of each channel).
fn decode(file: &Path, format: Format) -> anyhow::Result<(Vec<Loudness>, u32, u64)> {
    let mut loudness: Vec<Loudness> = Vec::new();
    // Samples in the last tick, and since the beginning.
    let (mut within, mut frame) = (0.0, 0_u64);
    let decoded = decode_file(File::open(file)?, format, |rate, channels, samples| {
        let channels = usize::from(channels.max(1));
        loudness.resize_with(channels, Vec::new);
        for samples in samples.chunks_exact(channels) {
            let tick = (frame * TICKS as u64 / u64::from(rate.max(1))) as usize;
            let begins = tick >= loudness[0].len();
            within = if begins { 1.0 } else { within + 1.0 };
            for (loudness, sample) in loudness.iter_mut().zip(samples) {
                loudness.resize(tick + 1, 0.0);
                // The mean of so many.
                loudness[tick] += (square(*sample) - loudness[tick]) / within;
            }
            frame += 1;
        }
    })?;
    Ok((loudness, decoded.rate, decoded.frames))
}

/// Holds each second against what was said then, or a little before or after. How much of what was said just before the end was heard
/// nobody can tell so exactly: only the length is held against that.
fn compare(heard: &[f64], said: &[f64], margin: usize) -> anyhow::Result<()> {
    let silent = SILENT * TICKS as f64;
    let last = said.len().saturating_sub(TICKS + margin);
    for begins in (0..=last).step_by(TICKS / 2) {
        let wide = |loudness| energy(loudness, begins.saturating_sub(margin), begins + TICKS + margin);
        let narrow = |loudness| energy(loudness, begins, begins + TICKS);
        let at = begins as f64 / TICKS as f64;
        let db = |energy: f64| 10.0 * (energy / TICKS as f64).max(1e-12).log10();
        ensure!(
            wide(heard) * WITHIN + silent >= narrow(said),
            "at {at} s: {:.0} dB are heard, and {:.0} were said",
            db(wide(heard)),
            db(narrow(said))
        );
        ensure!(
            narrow(heard) <= wide(said) * WITHIN + silent,
            "at {at} s: {:.0} dB are heard, and only {:.0} were said",
            db(narrow(heard)),
            db(wide(said))
        );
    }
    Ok(())
}

fn energy(loudness: &[f64], begins: usize, ends: usize) -> f64 {
    let ends = ends.min(loudness.len());
    loudness.get(begins..ends).unwrap_or_default().iter().sum()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Voice;

    /// Five seconds of a caller, and two of a bot from the second on.
    pub(crate) fn said() -> Said {
        let sides = [
            Side { seed: 1, runs: vec![(0, 0, 40_000)] },
            Side { seed: 2, runs: vec![(0, 16_000, 8_000), (8_000, 24_000, 8_000)] },
        ];
        Said { sound: Voice::Noise.into(), sides, late_ms: 0 }
    }

    /// What is heard of it, `later` samples later.
    pub(crate) fn samples(said: &Said, later: usize) -> Vec<[i16; 2]> {
        let mut samples = vec![[0; 2]; 40_000];
        for (channel, side) in said.sides.iter().enumerate() {
            for &(first, at, count) in &side.runs {
                for index in 0..count {
                    let code = said.sound.code(SIDES[channel].0, side.seed, first + index);
                    if let Some(sample) = samples.get_mut((at + index) as usize + later) {
                        sample[channel] = ulaw_to_linear(code);
                    }
                }
            }
        }
        samples
    }

    /// A WAV file of it.
    pub(crate) fn wav(samples: &[[i16; 2]]) -> Vec<u8> {
        let bytes = samples.len() as u32 * 4;
        let mut file = b"RIFF".to_vec();
        file.extend((36 + bytes).to_le_bytes());
        file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
        file.extend(8_000_u32.to_le_bytes());
        file.extend(32_000_u32.to_le_bytes());
        file.extend(b"\x04\0\x10\0data");
        file.extend(bytes.to_le_bytes());
        file.extend(samples.iter().flatten().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    fn check(said: &Said, file: &[u8]) -> Result<u64, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("recording.wav");
        std::fs::write(&path, file).unwrap();
        said.check(&path, Format::Wav).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_recording_of_what_was_said_is_as_long_and_may_be_a_little_late() {
        for later in [0, 160, 1_000] {
            assert_eq!(check(&said(), &wav(&samples(&said(), later))), Ok(5_000));
        }
    }

    #[test]
    fn a_channel_that_is_silent_or_has_a_hole_or_is_another_is_told() {
        let whole = samples(&said(), 0);
        let changed = |change: &dyn Fn(usize, &mut [i16; 2])| {
            let mut samples = whole.clone();
            samples.iter_mut().enumerate().for_each(|(index, pair)| change(index, pair));
            check(&said(), &wav(&samples)).unwrap_err()
        };
        assert!(changed(&|_, pair| pair[0] = 0).contains("the caller: at 0 s: -120 dB are heard"));
        assert!(changed(&|_, pair| pair[1] = 0).contains("the assistant: at 1.5 s: -120 dB are heard"));
        let hole = |index, pair: &mut [i16; 2]| {
            if (16_000..28_000).contains(&index) {
                pair[0] = 0;
            }
        };
        assert!(changed(&hole).contains("the caller: at 2 s"));
        assert!(changed(&|_, pair| pair[0] /= 4).contains("the caller: at 0 s"));
        // Nobody spoke there.
        assert!(changed(&|_, pair| pair[1] = pair[0]).contains("the assistant: at 0 s"));
        assert!(changed(&|_, pair| pair.swap(0, 1)).contains("the caller: at 0 s"));
    }

    #[test]
    fn one_who_said_nothing_is_not_heard() {
        let mut said = said();
        said.sides[1].runs.clear();
        assert_eq!(check(&said, &wav(&samples(&said, 0))), Ok(5_000));
        assert!(check(&said, &wav(&samples(&self::said(), 0))).unwrap_err().contains("the assistant"));
    }

    #[test]
    fn a_file_that_is_damaged_or_cut_off_is_told() {
        let file = wav(&samples(&said(), 0));
        for damaged in [&file[..file.len() / 2], &file[..20], &[0; 100]] {
            assert!(check(&said(), damaged).is_err());
        }
    }
}
