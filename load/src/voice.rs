//! What is said: audio that tells which sample it is.

use callrec_audio::g711;
use callrec_simulator::Luck;
use clap::ValueEnum;

/// How many samples a marker has: 60 ms.
pub const MARKER_SAMPLES: u64 = 480;
/// A marker begins every so many samples: 300 ms.
pub const MARKER_EVERY: u64 = 2_400;
/// The mu-law code of silence.
const SILENCE: u8 = 0xff;

/// The sound of the caller and of the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Voice {
    /// Mu-law noise in which no sample is silence: eight of them tell where they are, in a format without loss.
    #[default]
    Noise,
    /// Silence, and a short rising tone every 300 ms, which is found in every format.
    Markers,
}

impl Voice {
    /// The mu-law code of a sample, for one who speaks with this seed.
    #[must_use]
    pub fn code(self, seed: u64, number: u64) -> u8 {
        match self {
            Self::Noise => {
                let drawn = Luck::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d)).any() % 254;
                // 0x7f and 0xff are the two codes of silence.
                if drawn < 0x7f { drawn as u8 } else { drawn as u8 + 1 }
            }
            Self::Markers => match number % MARKER_EVERY {
                within if within < MARKER_SAMPLES => g711::linear_to_ulaw(marker(within)),
                _ => SILENCE,
            },
        }
    }

    /// The codes of so many samples from this one on.
    #[must_use]
    pub fn codes(self, seed: u64, first: u64, samples: u64) -> Vec<u8> {
        (first..first + samples).map(|number| self.code(seed, number)).collect()
    }
}

/// A sample of a marker: a tone that rises from 500 to 3,000 Hz, faded in and out, so that only one place fits it.
#[must_use]
pub fn marker(within: u64) -> i16 {
    let (seconds, length) = (within as f64 / 8_000.0, MARKER_SAMPLES as f64 / 8_000.0);
    let turns = 500.0 * seconds + 2_500.0 * seconds * seconds / (2.0 * length);
    let fade = (std::f64::consts::PI * seconds / length).sin();
    (12_000.0 * fade * (std::f64::consts::TAU * turns).sin()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_sample_of_noise_is_silence_and_eight_of_them_are_at_one_place() {
        let pcm: Vec<i16> =
            (0..300_000).map(|number| g711::ulaw_to_linear(Voice::Noise.code(7, number))).collect();
        assert!(pcm.iter().all(|sample| *sample != 0));
        let eights: HashSet<&[i16]> = pcm.windows(8).collect();
        assert_eq!(eights.len(), pcm.len() - 7);
    }

    #[test]
    fn two_who_speak_with_different_seeds_say_different_things() {
        assert_ne!(Voice::Noise.codes(1, 0, 100), Voice::Noise.codes(2, 0, 100));
    }
}
