//! The call that everything is made of: recorded prompts, spoken in turns with pauses, as a telephone line carries them.

use anyhow::{Context as _, ensure};
use callrec_audio::g711::Law;
use callrec_simulator::Luck;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian's package of recorded telephone prompts puts them.
const PROMPTS: &str = "/usr/share/asterisk/sounds";

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
    /// Makes a call of so many minutes; always the same one.
    pub(crate) fn make(work: &Path, minutes: u64) -> anyhow::Result<Self> {
        let prompts = prompts()?;
        let length = usize::try_from(minutes * 60 * 8_000)?;
        let mut sides = [Vec::with_capacity(length), Vec::with_capacity(length)];
        let mut luck = Luck::new(1);
        for turn in 0.. {
            if sides[0].len() >= length {
                break;
            }
            for _ in 0..luck.between(1, 3) {
                let prompt = &prompts[luck.between(0, prompts.len() as u64 - 1) as usize];
                let pause = luck.between(0, 4_000) as usize;
                sides[turn % 2].extend_from_slice(prompt);
                let length = sides[turn % 2].len() + pause;
                sides.iter_mut().for_each(|side| side.resize(length, 0));
            }
        }
        sides.iter_mut().for_each(|side| side.truncate(length));
        let paths = ["caller.ulaw", "assistant.ulaw"].map(|name| work.join(name));
        let wav = work.join("call.wav");
        let format = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&wav, format)?;
        let mut heard = [Vec::new(), Vec::new()];
        for ((side, heard), path) in sides.iter().zip(&mut heard).zip(&paths) {
            let mut codes = Vec::new();
            Law::Mulaw.encode(side, &mut codes);
            fs::write(path, &codes)?;
            Law::Mulaw.decode(&codes, heard);
        }
        for (left, right) in heard[0].iter().zip(&heard[1]) {
            writer.write_sample(*left)?;
            writer.write_sample(*right)?;
        }
        writer.finalize()?;
        Ok(Self { sides: paths, wav, minutes, prompts: prompts.len() })
    }
}

/// The samples of every prompt.
fn prompts() -> anyhow::Result<Vec<Vec<i16>>> {
    let mut paths = Vec::new();
    find(Path::new(PROMPTS), &mut paths)
        .with_context(|| format!("{PROMPTS} is missing: install asterisk-core-sounds-en-wav"))?;
    paths.sort();
    let mut prompts = Vec::new();
    for path in &paths {
        let mut wav = hound::WavReader::open(path)?;
        if wav.spec().sample_rate == 8_000 && wav.spec().channels == 1 {
            prompts.push(wav.samples::<i16>().collect::<Result<Vec<_>, _>>()?);
        }
    }
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
