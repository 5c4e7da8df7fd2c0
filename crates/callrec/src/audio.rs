//! Audio as a bot has it, on its way into a call.

use std::borrow::Cow;

use callrec_audio::resample::sample_from_f32;
use callrec_session::Codec;

/// A piece of one party's audio, of any length, at the rate that the call was started with.
#[derive(Clone, Copy)]
pub struct Audio<'a>(Samples<'a>);

#[derive(Clone, Copy)]
enum Samples<'a> {
    Mulaw(&'a [u8]),
    Alaw(&'a [u8]),
    Pcm16(&'a [i16]),
    F32(&'a [f32]),
}

impl<'a> Audio<'a> {
    /// G.711 μ-law, a byte a sample: what American and Japanese lines and Twilio carry.
    #[must_use]
    pub const fn mulaw(codes: &'a [u8]) -> Self {
        Self(Samples::Mulaw(codes))
    }

    /// G.711 A-law, a byte a sample: what the lines of the rest of the world carry.
    #[must_use]
    pub const fn alaw(codes: &'a [u8]) -> Self {
        Self(Samples::Alaw(codes))
    }

    /// Linear 16-bit samples.
    #[must_use]
    pub const fn pcm16(samples: &'a [i16]) -> Self {
        Self(Samples::Pcm16(samples))
    }

    /// Samples between -1 and 1, as speech models give them. Rounded to 16 bits; what is beyond is clipped, NaN is silence.
    #[must_use]
    pub const fn f32(samples: &'a [f32]) -> Self {
        Self(Samples::F32(samples))
    }

    /// The codec and the bytes of a journal record.
    pub(crate) fn bytes(self) -> (Codec, Cow<'a, [u8]>) {
        // Sized at once: a bot may hand over ten minutes.
        let little_endian = |samples: &mut dyn ExactSizeIterator<Item = i16>| {
            let mut bytes = Vec::with_capacity(2 * samples.len());
            samples.for_each(|sample| bytes.extend_from_slice(&sample.to_le_bytes()));
            Cow::Owned(bytes)
        };
        match self.0 {
            Samples::Mulaw(codes) => (Codec::Mulaw, Cow::Borrowed(codes)),
            Samples::Alaw(codes) => (Codec::Alaw, Cow::Borrowed(codes)),
            Samples::Pcm16(samples) => (Codec::Pcm16, little_endian(&mut samples.iter().copied())),
            Samples::F32(samples) => {
                (Codec::Pcm16, little_endian(&mut samples.iter().map(|&sample| sample_from_f32(sample))))
            }
        }
    }
}
