//! An encoder of one's own: Sun's `.au` with mu-law inside, in sixty lines.
//!
//! ```text
//! cargo run --example custom_encoder -- call.au
//! ```
//!
//! [`Encoder`] asks for three things: append what is ready to the caller's buffer; at a checkpoint and at the end hand
//! back what must be written over earlier bytes; open no file. That is all that a recorder needs to write it live.

#![allow(clippy::disallowed_methods, reason = "a program of its own, which opens the file it is told to")]

use std::f64::consts::TAU;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use callrec_audio::{g711::Law, mix};
use callrec_encode::{EncodeError, Encoder, Patch};
use clap::Parser;

/// mu-law in an `.au` file: a header of six big-endian words, then one byte a sample, channels interleaved.
struct AuEncoder {
    rate: u32,
    channels: u32,
    /// Bytes of audio so far.
    written: u64,
    begun: bool,
}

impl AuEncoder {
    /// Bytes before the audio.
    const HEADER: u32 = 24;
    /// Where in the header the length of the audio stands, in bytes.
    const LENGTH_AT: u64 = 8;
    /// "ISDN mu-law" in the format's table.
    const MULAW: u32 = 1;
    /// What the format says for a length that is not known.
    const UNKNOWN: u32 = u32::MAX;

    fn new(rate: u32, channels: u8) -> Self {
        Self { rate, channels: channels.into(), written: 0, begun: false }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(b".snd");
            for word in [Self::HEADER, Self::UNKNOWN, Self::MULAW, self.rate, self.channels] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
    }

    /// The true length; beyond what 32 bits can say it stays "unknown", which players take to mean "to the end".
    fn length(&self) -> Patch {
        let length = u32::try_from(self.written).unwrap_or(Self::UNKNOWN);
        Patch { offset: Self::LENGTH_AT, bytes: length.to_be_bytes().to_vec() }
    }
}

impl Encoder for AuEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if !pcm.len().is_multiple_of(self.channels as usize) {
            return Err(EncodeError::Uneven { samples: pcm.len(), channels: self.channels as u8 });
        }
        self.begin(out);
        Law::Mulaw.encode(pcm, out);
        self.written += pcm.len() as u64;
        Ok(())
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.begin(out);
        Ok(Some(self.length()))
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.begin(out);
        Ok(Some(self.length()))
    }
}

#[derive(Parser)]
#[command(about = "Writes a synthetic call as .au, with an encoder made in this file")]
struct Arguments {
    /// The file to write.
    output: PathBuf,
}

fn main() -> Result<()> {
    let Arguments { output } = Arguments::parse();
    ensure!(!output.exists(), "{output:?} is there already");

    // Nothing below knows which encoder it has.
    let mut encoder: Box<dyn Encoder> = Box::new(AuEncoder::new(8_000, 2));
    let mut file = Vec::new();
    let mut stereo = Vec::new();
    for second in 0..4 {
        // The parties take turns.
        let (caller, assistant) =
            if second % 2 == 0 { (tone(440.0), Vec::new()) } else { (Vec::new(), tone(660.0)) };
        stereo.clear();
        mix::interleave(&caller, &assistant, &mut stereo);
        encoder.encode(&stereo, &mut file)?;
        // A recorder does this every so often: from here on the file can be played, whatever happens next.
        if let Some(patch) = encoder.checkpoint(&mut file)? {
            patch.apply(&mut file);
        }
    }
    if let Some(patch) = encoder.finish(&mut file)? {
        patch.apply(&mut file);
    }
    std::fs::write(&output, &file).with_context(|| format!("cannot write {output:?}"))
}

/// A second of a sine at 8 kHz, 12 dB below full scale.
fn tone(hertz: f64) -> Vec<i16> {
    (0..8_000).map(|n| (8_192.0 * (TAU * hertz * f64::from(n) / 8_000.0).sin()) as i16).collect()
}
