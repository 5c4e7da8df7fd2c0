//! RIFF/WAVE: a header, then the samples as they are.
//!
//! The header is written complete at once, with lengths that say "unknown, read to the end" (all ones, as programs
//! do that write WAV into a pipe), so that a file cut off anywhere plays. A patch puts the true lengths in.

use callrec_audio::g711::Law;

use crate::encoder::{EncodeError, Encoder, Patch, frames_of};
use crate::format::Format;
use crate::settings::WavEncoding;
use crate::spec::{Spec, SpecError, Tags};

/// What RIFF lengths are while the true ones are not known.
const UNKNOWN: u32 = u32::MAX;

pub(crate) struct WavEncoder {
    spec: Spec,
    /// Bytes of everything before the samples.
    header_bytes: u64,
    data_bytes: u64,
    started: bool,
}

impl WavEncoder {
    pub(crate) fn new(spec: &Spec) -> Result<Self, SpecError> {
        let spec = spec.clone();
        let header_bytes = header(&spec, None).len() as u64;
        Ok(Self { spec, header_bytes, data_bytes: 0, started: false })
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            out.extend_from_slice(&header(&self.spec, None));
        }
    }

    fn patch(&self) -> Patch {
        Patch { offset: 0, bytes: header(&self.spec, Some(self.data_bytes)) }
    }

    fn bytes_per_sample(&self) -> u64 {
        u64::from(self.spec.wav_bits() / 8)
    }
}

impl Encoder for WavEncoder {
    fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        frames_of(pcm, self.spec.channels)?;
        let grown = self.data_bytes + pcm.len() as u64 * self.bytes_per_sample();
        let padded = grown + grown % 2;
        if self.header_bytes + padded > self.spec.wav_limit_bytes {
            return Err(EncodeError::TooLong { format: Format::Wav, limit_bytes: self.spec.wav_limit_bytes });
        }
        self.start(out);
        self.data_bytes = grown;
        match self.spec.wav_encoding {
            WavEncoding::Pcm16 => out.extend(pcm.iter().flat_map(|sample| sample.to_le_bytes())),
            WavEncoding::Mulaw => Law::Mulaw.encode(pcm, out),
        }
        Ok(())
    }

    fn checkpoint(&mut self, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        Ok(Some(self.patch()))
    }

    fn finish(mut self: Box<Self>, out: &mut Vec<u8>) -> Result<Option<Patch>, EncodeError> {
        self.start(out);
        if self.data_bytes % 2 == 1 {
            out.push(0); // RIFF chunks have even length; the byte is not counted in the chunk's own
        }
        Ok(Some(self.patch()))
    }
}

/// Everything before the samples. It has the same size whatever the length says.
fn header(spec: &Spec, data_bytes: Option<u64>) -> Vec<u8> {
    let channels = u16::from(spec.channels);
    let bits = match spec.wav_encoding {
        WavEncoding::Pcm16 => 16_u16,
        WavEncoding::Mulaw => 8,
    };
    let frame_bytes = channels * bits / 8;

    let mut format = Vec::with_capacity(18);
    let tag: u16 = if spec.wav_encoding == WavEncoding::Mulaw { 7 } else { 1 };
    format.extend(tag.to_le_bytes());
    format.extend(channels.to_le_bytes());
    format.extend(spec.rate.to_le_bytes());
    format.extend((spec.rate * u32::from(frame_bytes)).to_le_bytes());
    format.extend(frame_bytes.to_le_bytes());
    format.extend(bits.to_le_bytes());

    let mut out = b"RIFF\0\0\0\0WAVE".to_vec();
    if spec.wav_encoding == WavEncoding::Mulaw {
        // All formats but tag 1 state the size of their extension (none) and the number of frames.
        format.extend([0, 0]);
        chunk(*b"fmt ", &format, &mut out);
        let frames = data_bytes.map_or(UNKNOWN, |bytes| length(bytes / u64::from(frame_bytes)));
        chunk(*b"fact", &frames.to_le_bytes(), &mut out);
    } else {
        chunk(*b"fmt ", &format, &mut out);
    }
    let info = info(&spec.tags.cleaned());
    if !info.is_empty() {
        chunk(*b"LIST", &info, &mut out);
    }
    out.extend(b"data");
    out.extend(data_bytes.map_or(UNKNOWN, length).to_le_bytes());
    let riff = data_bytes.map_or(UNKNOWN, |bytes| length(out.len() as u64 - 8 + bytes + bytes % 2));
    out[4..8].copy_from_slice(&riff.to_le_bytes());
    out
}

/// The tags as a `LIST` of type `INFO`; the texts are UTF-8.
fn info(tags: &Tags) -> Vec<u8> {
    let mut out = Vec::new();
    for (id, text) in [(*b"INAM", &tags.title), (*b"ICRD", &tags.date), (*b"ISFT", &tags.encoder)] {
        if let Some(text) = text {
            let mut body = text.clone().into_bytes();
            body.push(0);
            chunk(id, &body, &mut out);
        }
    }
    if !out.is_empty() {
        out.splice(..0, *b"INFO");
    }
    out
}

fn chunk(id: [u8; 4], body: &[u8], out: &mut Vec<u8>) {
    out.extend(id);
    out.extend(length(body.len() as u64).to_le_bytes());
    out.extend(body);
    if body.len() % 2 == 1 {
        out.push(0);
    }
}

/// A length as RIFF holds it. Samples are refused before one could exceed 32 bits.
fn length(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(UNKNOWN)
}
