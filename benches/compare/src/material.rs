//! The call that everything is made of: recorded prompts, spoken in turns with pauses, as a telephone line carries them. The caller's
//! line is never quite silent, as none is; the assistant's is, for a bot sends nothing while it does not speak.

use anyhow::{Context as _, ensure};
use callrec_audio::g711::Law;
use callrec_simulator::Luck;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's package of recorded telephone prompts puts them.
pub(crate) const PROMPTS: &str = "/usr/share/asterisk/sounds/en_US_f_Allison";

/// How loud the noise on the caller's line is: its root of the mean square, in dB below full scale.
pub(crate) const NOISE_DBFS: f64 = -60.0;
/// What the noise is drawn from.
const NOISE_SEED: u64 = 2;

/// The files that are worked on.
#[derive(Debug)]
pub(crate) struct Material {
    /// The two parties in mu-law at 8 kHz, as a provider sends them.
    pub(crate) sides: [PathBuf; 2],
    /// Both, caller left, as 16-bit WAV.
    pub(crate) wav: PathBuf,
    pub(crate) minutes: u64,
    /// How many prompts there are to choose from.
    pub(crate) prompts: usize,
}

impl Material {
    /// Makes a call of so many minutes; always the same one. A process of its own does it, for what this one ever held would count
    /// as the least that the programs it measures have held: see [`own_peak`](crate::cpu::own_peak).
    pub(crate) fn make(work: &Path, minutes: u64) -> anyhow::Result<Self> {
        let mut making = Command::new(std::env::current_exe()?);
        making.arg("--work").arg(work).args(["--minutes", &minutes.to_string(), "material"]);
        ensure!(making.status()?.success(), "the call of which files are made could not be made");
        Ok(Self { sides: sides(work), wav: wav(work), minutes, prompts: prompts()?.len() })
    }
}

/// Writes the files of a call of so many minutes.
pub(crate) fn write(work: &Path, minutes: u64) -> anyhow::Result<()> {
    let prompts = prompts()?;
    let mut call = Call::create(work, minutes * 60 * 8_000)?;
    let mut luck = Luck::new(1);
    for turn in 0.. {
        if call.left == 0 {
            break;
        }
        for _ in 0..luck.between(1, 3) {
            let prompt = &prompts[luck.between(0, prompts.len() as u64 - 1) as usize];
            let pause = luck.between(0, 4_000) as usize;
            let mut said = hound::WavReader::open(prompt)?.samples().collect::<Result<Vec<i16>, _>>()?;
            said.resize(said.len() + pause, 0);
            call.say(turn % 2, &said)?;
        }
    }
    call.close()
}

fn sides(work: &Path) -> [PathBuf; 2] {
    ["caller.ulaw", "assistant.ulaw"].map(|name| work.join(name))
}

fn wav(work: &Path) -> PathBuf {
    work.join("call.wav")
}

/// The files while they are written.
struct Call {
    sides: [BufWriter<File>; 2],
    both: hound::WavWriter<BufWriter<File>>,
    noise: Noise,
    /// Samples of each side until it is long enough.
    left: u64,
}

impl Call {
    fn create(work: &Path, length: u64) -> anyhow::Result<Self> {
        let [caller, assistant] = sides(work).map(|path| File::create(path).map(BufWriter::new));
        let format = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let both = hound::WavWriter::create(wav(work), format)?;
        Ok(Self { sides: [caller?, assistant?], both, noise: Noise::new(), left: length })
    }

    /// One side speaks, and the other says nothing.
    fn say(&mut self, side: usize, samples: &[i16]) -> anyhow::Result<()> {
        let length = samples.len().min(usize::try_from(self.left)?);
        self.left -= length as u64;
        let mut said = [vec![0; length], vec![0; length]];
        said[side].copy_from_slice(&samples[..length]);
        self.noise.add_to(&mut said[0]);
        let mut codes = [Vec::new(), Vec::new()];
        said.iter().zip(&mut codes).for_each(|(said, codes)| Law::Mulaw.encode(said, codes));
        let mut heard = [Vec::new(), Vec::new()];
        for ((codes, file), heard) in codes.iter().zip(&mut self.sides).zip(&mut heard) {
            file.write_all(codes)?;
            Law::Mulaw.decode(codes, heard);
        }
        for (left, right) in heard[0].iter().zip(&heard[1]) {
            self.both.write_sample(*left)?;
            self.both.write_sample(*right)?;
        }
        Ok(())
    }

    fn close(mut self) -> anyhow::Result<()> {
        self.both.finalize()?;
        Ok(self.sides.iter_mut().try_for_each(Write::flush)?)
    }
}

/// White noise, always the same: numbers that are drawn evenly from as far below 0 to as far above.
struct Noise {
    luck: Luck,
    most: i64,
}

impl Noise {
    fn new() -> Self {
        // The root of the mean square of what is spread evenly is the most of it by the root of three.
        let most = 32_768.0 * 10.0_f64.powf(NOISE_DBFS / 20.0) * 3.0_f64.sqrt();
        Self { luck: Luck::new(NOISE_SEED), most: most.round() as i64 }
    }

    fn add_to(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = sample.saturating_add(self.luck.either_way(self.most) as i16);
        }
    }
}

/// Every prompt that is a telephone's.
fn prompts() -> anyhow::Result<Vec<PathBuf>> {
    let mut prompts = Vec::new();
    find(Path::new(PROMPTS), &mut prompts)
        .with_context(|| format!("{PROMPTS} is missing: install asterisk-core-sounds-en-wav"))?;
    prompts.sort();
    let is_telephones = |path: &PathBuf| {
        hound::WavReader::open(path)
            .is_ok_and(|wav| (wav.spec().sample_rate, wav.spec().channels) == (8_000, 1))
    };
    prompts.retain(is_telephones);
    ensure!(prompts.len() > 100, "there are only {} prompts below {PROMPTS}", prompts.len());
    Ok(prompts)
}

fn find(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "wav") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_as_loud_as_is_told_and_always_the_same() {
        let [mut samples, mut again] = [vec![0; 80_000], vec![0; 80_000]];
        Noise::new().add_to(&mut samples);
        let power = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / 80_000.0;
        let dbfs = 20.0 * (power.sqrt() / 32_768.0).log10();
        assert!((dbfs - NOISE_DBFS).abs() < 0.2, "{dbfs} dBFS");
        Noise::new().add_to(&mut again);
        assert_eq!(samples, again);
    }
}
