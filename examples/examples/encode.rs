//! Encodes the two sides of a phone call, raw mu-law at 8 kHz as a provider delivers it, into one audio file.
//!
//! ```text
//! cargo run --release --example encode -- caller.ulaw assistant.ulaw call.mp3
//! cargo run --release --example encode -- caller.ulaw assistant.ulaw call.flac --rate 16000 --channels mono
//! ```
//!
//! The format is that of the output's name. The shorter side is followed by silence. The file appears under its name
//! whole or not at all: it is written beside it under a temporary one first.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which opens the files it is told to")]

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use callrec_audio::g711::Law;
use callrec_audio::mix;
use callrec_audio::resample::Resampler;
use callrec_encode::{Bitrate, Channels, Format, Patch, RateSetting, Settings};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

/// What a telephone line carries: samples a second, a byte each.
const LINE_HZ: u32 = 8_000;
/// A second at a time.
const CHUNK: usize = LINE_HZ as usize;

#[derive(Parser)]
#[command(
    about = "Encodes the two sides of a call, raw mu-law at 8 kHz, into one MP3, WAV, OGG or FLAC file"
)]
struct Arguments {
    /// The caller's side: raw mu-law, 8 kHz, no header.
    caller: PathBuf,
    /// The assistant's side, as the caller's.
    assistant: PathBuf,
    /// The file to write; its ending (mp3, wav, ogg, flac) is the format.
    output: PathBuf,
    /// The bitrate of an MP3, as in 64k.
    #[arg(long)]
    bitrate: Option<Bitrate>,
    /// Samples a second: auto (the lowest that loses nothing of the line) or a number.
    #[arg(long, default_value_t)]
    rate: RateSetting,
    /// stereo (left the caller, right the assistant) or mono.
    #[arg(long, default_value_t)]
    channels: Channels,
    /// Replace the output if it is there already.
    #[arg(long)]
    force: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let output = &arguments.output;
    let ending = output.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let format: Format = ending.to_ascii_lowercase().parse().with_context(|| {
        format!("the format is the ending of the output's name, and {output:?} has none that is one")
    })?;
    let mut settings =
        Settings::default().with_format(format).with_rate(arguments.rate).with_channels(arguments.channels);
    if let Some(bitrate) = arguments.bitrate {
        ensure!(format == Format::Mp3, "--bitrate is for MP3; what {format} takes follows from the sound");
        settings = settings.with_mp3_bitrate(bitrate);
    }
    let spec = settings.resolve(LINE_HZ)?;

    let mut sides = [Side::open(&arguments.caller, spec.rate)?, Side::open(&arguments.assistant, spec.rate)?];
    let length = sides[0].bytes.max(sides[1].bytes);
    ensure!(arguments.force || !output.exists(), "{output:?} is there already; --force replaces it");

    let mut file = temporary_beside(output)?;
    let mut encoder = spec.encoder()?;
    // Drawn on a terminal alone.
    let progress =
        ProgressBar::new(length).with_style(ProgressStyle::with_template("{bar:40} {percent}% {eta}")?);
    let (mut pcm, mut encoded) = (Vec::new(), Vec::new());
    let mut at = 0;
    loop {
        let last = at >= length;
        let chunk = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        let [caller, assistant] = &mut sides;
        let (left, right) = (caller.next(chunk, last)?, assistant.next(chunk, last)?);
        pcm.clear();
        if spec.channels == 2 {
            mix::interleave(left, right, &mut pcm);
        } else {
            mix::sum(left, right, &mut pcm);
        }
        encoder.encode(&pcm, &mut encoded)?;
        file.write_all(&encoded).with_context(|| format!("cannot write beside {output:?}"))?;
        encoded.clear();
        at += chunk as u64;
        progress.set_position(at);
        if last {
            break;
        }
    }
    let patch = encoder.finish(&mut encoded)?;
    file.write_all(&encoded)?;
    if let Some(Patch { offset, bytes }) = patch {
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(&bytes)?;
    }
    progress.finish_and_clear();

    let bytes = file.as_file().metadata()?.len();
    file.as_file().sync_all()?;
    let outcome = if arguments.force { file.persist(output) } else { file.persist_noclobber(output) };
    outcome.with_context(|| format!("cannot give the finished file the name {output:?}"))?;
    let seconds = length as f64 / f64::from(LINE_HZ);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{}: {seconds:.1} s, {} Hz, {} channel(s), {bytes} bytes",
        output.display(),
        spec.rate,
        spec.channels
    )?;
    Ok(())
}

/// One party's file, decoded and resampled as it is read.
struct Side {
    path: PathBuf,
    file: BufReader<File>,
    bytes: u64,
    resampler: Resampler,
    codes: Vec<u8>,
    pcm: Vec<i16>,
    resampled: Vec<i16>,
}

impl Side {
    fn open(path: &Path, rate: u32) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
        let bytes = file.metadata()?.len();
        let mut file = BufReader::new(file);
        let mut magic = [0; 4];
        if bytes >= 4 {
            file.read_exact(&mut magic)?;
            file.rewind()?;
        }
        if &magic == b"RIFF" || &magic == b".snd" {
            bail!(
                "{path:?} has a header; what is wanted is mu-law alone: ffmpeg -i IN -ar 8000 -ac 1 -f mulaw OUT"
            );
        }
        let resampler = Resampler::new(LINE_HZ, rate)?;
        let (codes, pcm, resampled) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { path: path.to_owned(), file, bytes, resampler, codes, pcm, resampled })
    }

    /// The next `samples` of the line at the file's rate, and after the last of them what the resampler still holds.
    /// Behind the end is silence.
    fn next(&mut self, samples: usize, last: bool) -> Result<&[i16]> {
        self.codes.clear();
        let wanted = samples as u64;
        self.file
            .by_ref()
            .take(wanted)
            .read_to_end(&mut self.codes)
            .with_context(|| format!("cannot read {:?}", self.path))?;
        self.codes.resize(samples, Law::Mulaw.silence());
        self.pcm.clear();
        Law::Mulaw.decode(&self.codes, &mut self.pcm);
        self.resampled.clear();
        self.resampler.process(&self.pcm, &mut self.resampled);
        if last {
            self.resampler.finish(&mut self.resampled);
        }
        Ok(&self.resampled)
    }
}

/// In the output's own directory, so that giving it its name is one step. Removed if anything fails before.
fn temporary_beside(output: &Path) -> Result<tempfile::NamedTempFile> {
    let directory = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".encode-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any program's file, less what the umask takes away.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory).with_context(|| format!("cannot write into {directory:?}"))
}
