//! What the two of a call say: what is made, or speech that was read from files.

use anyhow::{Context as _, bail, ensure};
use callrec_audio::g711::{linear_to_ulaw, ulaw_to_linear};
use callrec_session::Track;
use callrec_simulator::Luck;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Voice;

/// The bits in which the two mu-law codes of silence, 0x7f and 0xff, are one.
const SILENCE: u8 = 0x7f;
/// Pauses of the bot's speech are no longer than so many samples: half a second.
const LONGEST_PAUSE: usize = 4_000;

/// What is said, sample by sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sound {
    /// Made.
    Voice(Voice),
    /// Read.
    Speech(Speech),
}

impl Sound {
    /// The mu-law code of a sample of one who speaks with this seed.
    #[must_use]
    pub fn code(&self, track: Track, seed: u64, number: u64) -> u8 {
        match self {
            Self::Voice(voice) => voice.code(seed, number),
            Self::Speech(speech) => speech.code(track, seed, number),
        }
    }

    /// The codes of so many samples from this one on.
    #[must_use]
    pub fn codes(&self, track: Track, seed: u64, first: u64, samples: u64) -> Vec<u8> {
        (first..first + samples).map(|number| self.code(track, seed, number)).collect()
    }
}

impl From<Voice> for Sound {
    fn from(voice: Voice) -> Self {
        Self::Voice(voice)
    }
}

/// The same code half as loud, 6 dB, for one who is to be told apart from another who speaks all the time as well.
pub(crate) fn quietly(code: u8) -> u8 {
    linear_to_ulaw(ulaw_to_linear(code) / 2)
}

/// The speech of both, which each call begins somewhere else and says over and over.
///
/// Silence tells which sample it is as well: it has two codes in mu-law, which nobody can tell apart by ear, and is said in both
/// as they are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speech {
    caller: Arc<[u8]>,
    bot: Arc<[u8]>,
}

impl Speech {
    /// Reads mu-law at 8,000 Hz without a header: a file for each, the caller first, or one for both. Of the bot's, pauses are
    /// cut to half a second, for it speaks in sentences that have pauses between them.
    ///
    /// # Errors
    /// There are none or more than two, one cannot be read, or nobody says anything in it.
    pub fn read(files: &[PathBuf]) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| {
            let codes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(codes.iter().any(|code| !is_silence(*code)), "{} is silent", path.display());
            anyhow::Ok(codes)
        };
        let (caller, bot) = match files {
            [both] => (both, both),
            [caller, bot] => (caller, bot),
            _ => bail!("{} files, and not one or two", files.len()),
        };
        Ok(Self { caller: read(caller)?.into(), bot: without_pauses(&read(bot)?).into() })
    }

    fn code(&self, track: Track, seed: u64, number: u64) -> u8 {
        let codes = match track {
            Track::Caller => &self.caller,
            Track::Assistant => &self.bot,
        };
        let length = codes.len() as u64;
        match codes[((seed % length + number) % length) as usize] {
            code if is_silence(code) => {
                SILENCE | (Luck::new(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d)).any() as u8 & 0x80)
            }
            code => code,
        }
    }
}

const fn is_silence(code: u8) -> bool {
    code & SILENCE == SILENCE
}

fn without_pauses(codes: &[u8]) -> Vec<u8> {
    let mut pause = 0;
    let mut said = codes.to_vec();
    said.retain(|code| {
        pause = if is_silence(*code) { pause + 1 } else { 0 };
        pause <= LONGEST_PAUSE
    });
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn read(sides: &[&[u8]]) -> anyhow::Result<Speech> {
        let home = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..sides.len()).map(|number| home.path().join(number.to_string())).collect();
        files.iter().zip(sides).for_each(|(file, codes)| std::fs::write(file, codes).unwrap());
        Speech::read(&files)
    }

    #[test]
    fn each_says_what_is_in_its_file_from_somewhere_on_and_over_and_over() {
        let [caller, bot] = [[1, 2, 3, 4, 5], [11, 12, 13, 14, 15]];
        let sound = Sound::Speech(read(&[&caller, &bot]).unwrap());
        assert_eq!(sound.codes(Track::Caller, 3, 0, 7), [4, 5, 1, 2, 3, 4, 5]);
        assert_eq!(sound.codes(Track::Assistant, u64::MAX, 4, 3), [15, 11, 12]);
        let one = Sound::Speech(read(&[&caller]).unwrap());
        assert_eq!(one.codes(Track::Assistant, 0, 0, 5), caller);
    }

    #[test]
    fn silence_stays_silence_and_tells_where_it_is() {
        let mut codes = vec![0xff; 200_000];
        codes[0] = 1;
        let sound = Sound::Speech(read(&[&codes]).unwrap());
        let said = sound.codes(Track::Caller, 0, 1, 100_000);
        assert!(said.iter().all(|code| ulaw_to_linear(*code) == 0));
        let pieces: HashSet<&[u8]> = said.windows(80).collect();
        assert_eq!(pieces.len(), said.len() - 79);
        assert_ne!(sound.codes(Track::Caller, 5, 1, 160), sound.codes(Track::Caller, 6, 1, 160));
    }

    #[test]
    fn what_is_said_quietly_is_half_as_loud() {
        for code in 0..=u8::MAX {
            let [loud, quiet] = [code, quietly(code)].map(|code| f64::from(ulaw_to_linear(code)));
            assert!((quiet - loud / 2.0).abs() <= loud.abs() / 40.0 + 4.0, "{loud} and {quiet}");
        }
    }

    #[test]
    fn a_bot_makes_no_long_pauses_within_a_sentence() {
        let codes = [vec![1], vec![0xff; 3_000], vec![2], vec![0x7f; 9_000], vec![3]].concat();
        let speech = read(&[&codes]).unwrap();
        assert_eq!((speech.caller.len(), speech.bot.len()), (12_003, 3_003 + LONGEST_PAUSE));
    }

    #[test]
    fn files_in_which_nobody_speaks_and_too_many_of_them_are_refused() {
        let told = |sides: &[&[u8]]| format!("{:#}", read(sides).unwrap_err());
        assert!(told(&[&[1], &[0xff, 0x7f]]).contains("is silent") && told(&[&[]]).contains("is silent"));
        assert!(told(&[&[1], &[1], &[1]]).contains("3 files"));
        assert!(format!("{:#}", Speech::read(&["nowhere".into()]).unwrap_err()).contains("nowhere"));
    }
}
