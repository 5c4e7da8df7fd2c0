//! Audio as it came, before it is decoded.

use callrec_audio::g711::Law;

use crate::Codec;

/// Some samples, whole ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) codec: Codec,
    pub(super) bytes: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Half a sample at the end is left out.
    pub(super) fn new(codec: Codec, bytes: &'a [u8]) -> Self {
        let width = codec.bytes_per_sample();
        Self { codec, bytes: &bytes[..bytes.len() / width * width] }
    }

    /// How many samples it has.
    pub(super) fn len(&self) -> u64 {
        (self.bytes.len() / self.codec.bytes_per_sample()) as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The first so many samples, and the others.
    pub(super) fn split_at(self, samples: u64) -> (Self, Self) {
        let (first, others) = self.bytes.split_at(samples as usize * self.codec.bytes_per_sample());
        (Self { bytes: first, ..self }, Self { bytes: others, ..self })
    }

    /// Appends its samples.
    pub(super) fn decode(self, out: &mut Vec<i16>) {
        match self.codec {
            Codec::Mulaw => Law::Mulaw.decode(self.bytes, out),
            Codec::Alaw => Law::Alaw.decode(self.bytes, out),
            Codec::Pcm16 => {
                out.extend(self.bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
        }
    }

    /// Whether these are the same samples, though by other codes perhaps: μ-law has two of silence.
    pub(super) fn sounds_like(self, other: Self) -> bool {
        let [mine, others] = [self, other].map(|piece| {
            let mut samples = Vec::new();
            piece.decode(&mut samples);
            samples
        });
        mine == others
    }
}
