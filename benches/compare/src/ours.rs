//! callrec's side of each job: a process that does it as a program that uses the libraries would.

use callrec::{Audio, CallOptions, EndReason, Recorder};
use callrec_audio::g711::Law;
use callrec_audio::mix::interleave;
use callrec_audio::resample::Resampler;
use callrec_encode::{Format, RateSetting, Settings};
use clap::Args;
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::flac_crates::FlacCrate;

/// Frames of the line's rate that are encoded at a time: a second.
const PIECE: usize = 8_000;

#[derive(Debug, Args)]
pub(crate) struct Ours {
    /// The caller's side in mu-law.
    caller: PathBuf,
    /// The assistant's.
    assistant: PathBuf,
    /// The file to write; for the whole job, the directory of recordings.
    out: PathBuf,
    #[arg(long)]
    format: Format,
    /// The file's rate in Hz.
    #[arg(long)]
    rate: u32,
    /// The bitrate of MP3, such as 64k.
    #[arg(long)]
    bitrate: Option<callrec::Bitrate>,
    /// Have a crate write the FLAC instead of callrec's encoder.
    #[arg(long)]
    flac_crate: Option<FlacCrate>,
    /// Through the recorder: frames in, verified file, transcript and summary out.
    #[arg(long)]
    whole: bool,
}

impl Ours {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut settings = Settings::default().with_format(self.format).with_rate(RateSetting::Hz(self.rate));
        if let Some(bitrate) = self.bitrate {
            settings = settings.with_mp3_bitrate(bitrate);
        }
        if self.whole { self.record(settings) } else { self.convert(&settings) }
    }

    /// Decode, resample, encode.
    fn convert(&self, settings: &Settings) -> anyhow::Result<()> {
        let spec = settings.resolve(8_000)?;
        let mut sides = [Side::open(&self.caller, self.rate)?, Side::open(&self.assistant, self.rate)?];
        let mut encoder = match self.flac_crate {
            Some(by) => by.encoder(&spec),
            None => spec.encoder()?,
        };
        let mut file = File::create(&self.out)?;
        let (mut pcm, mut bytes) = (Vec::new(), Vec::new());
        loop {
            let mut more = false;
            for side in &mut sides {
                more |= side.next()?;
            }
            let [caller, assistant] = &mut sides;
            let both = caller.waiting.len().min(assistant.waiting.len());
            pcm.clear();
            interleave(&caller.waiting[..both], &assistant.waiting[..both], &mut pcm);
            sides.iter_mut().for_each(|side| drop(side.waiting.drain(..both)));
            bytes.clear();
            encoder.encode(&pcm, &mut bytes)?;
            file.write_all(&bytes)?;
            if !more {
                break;
            }
        }
        bytes.clear();
        let patch = encoder.finish(&mut bytes)?;
        file.write_all(&bytes)?;
        if let Some(patch) = patch {
            file.seek(SeekFrom::Start(patch.offset))?;
            file.write_all(&patch.bytes)?;
        }
        Ok(())
    }

    /// The whole job, as a bot that depends on the library has it done.
    fn record(&self, settings: Settings) -> anyhow::Result<()> {
        let recorder = Recorder::builder(&self.out).settings(settings).start()?;
        let call = recorder.start_call(CallOptions::new("CA1"))?;
        let mut sides = [Frames::open(&self.caller)?, Frames::open(&self.assistant)?];
        for ms in (0..).step_by(20) {
            let [caller, assistant] = &mut sides;
            let (Some(caller), Some(assistant)) = (caller.next()?, assistant.next()?) else { break };
            call.caller_at(ms, Audio::mulaw(caller));
            call.assistant_at(ms, Audio::mulaw(assistant));
            // As fast as the journal takes it, instead of an hour.
            if ms % 10_000 == 0 {
                call.flush();
            }
        }
        call.finish(EndReason::Finished).wait()?;
        Ok(())
    }
}

/// A party on its way to the file's rate.
struct Side {
    file: File,
    resampler: Resampler,
    codes: Vec<u8>,
    pcm: Vec<i16>,
    waiting: Vec<i16>,
}

impl Side {
    fn open(path: &Path, rate: u32) -> anyhow::Result<Self> {
        let resampler = Resampler::new(8_000, rate)?;
        let file = File::open(path)?;
        Ok(Self { file, resampler, codes: vec![0; PIECE], pcm: Vec::new(), waiting: Vec::new() })
    }

    /// Reads a piece on; tells whether there may be more.
    fn next(&mut self) -> anyhow::Result<bool> {
        let read = read_full(&mut self.file, &mut self.codes)?;
        self.pcm.clear();
        Law::Mulaw.decode(&self.codes[..read], &mut self.pcm);
        self.resampler.process(&self.pcm, &mut self.waiting);
        if read < PIECE {
            self.resampler.finish(&mut self.waiting);
        }
        Ok(read == PIECE)
    }
}

/// A party in frames of 20 ms.
struct Frames {
    file: BufReader<File>,
    frame: [u8; 160],
}

impl Frames {
    fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { file: BufReader::new(File::open(path)?), frame: [0; 160] })
    }

    fn next(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let read = read_full(&mut self.file, &mut self.frame)?;
        Ok((read == self.frame.len()).then_some(&self.frame))
    }
}

fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
