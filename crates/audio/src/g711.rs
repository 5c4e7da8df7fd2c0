//! G.711 companding: the μ-law and A-law bytes of a telephone line to linear 16-bit samples and back.
//!
//! The code words and their values are those of ITU-T G.711 (11/88), tables 1 and 2, scaled to 16 bits: a μ-law
//! value is a multiple of 4 up to ±32,124, an A-law value a multiple of 8 up to ±32,256. A sample is encoded
//! as the ITU's reference software (G.191) does it: the low bits that no code word resolves are cut towards zero
//! of the magnitude, that of a negative sample being its one's complement. So −1 is μ-law's negative zero (0x7F),
//! and the encoding of every decoded value gives a code word of the same value again.
//!
//! ```
//! use callrec_audio::g711::{Law, linear_to_alaw, ulaw_to_linear};
//!
//! assert_eq!(ulaw_to_linear(0x00), -32_124);
//! assert_eq!(linear_to_alaw(0), 0xd5);
//!
//! let mut pcm = Vec::new();
//! Law::Mulaw.decode(&[0xff, 0x80], &mut pcm);
//! assert_eq!(pcm, [0, 32_124]);
//! ```

/// Which of the two companding laws a line uses: μ-law in North America and Japan, A-law elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Law {
    /// μ-law, called PCMU in RTP and `audio/x-mulaw` by Twilio.
    Mulaw,
    /// A-law, called PCMA in RTP.
    Alaw,
}

impl Law {
    /// Appends the linear sample of each code word to `out`.
    pub fn decode(self, codes: &[u8], out: &mut Vec<i16>) {
        let table = match self {
            Self::Mulaw => &ULAW_TO_LINEAR,
            Self::Alaw => &ALAW_TO_LINEAR,
        };
        out.extend(codes.iter().map(|&code| table[usize::from(code)]));
    }

    /// Appends the code word of each linear sample to `out`.
    pub fn encode(self, pcm: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Mulaw => out.extend(pcm.iter().map(|&sample| linear_to_ulaw(sample))),
            Self::Alaw => out.extend(pcm.iter().map(|&sample| linear_to_alaw(sample))),
        }
    }

    /// The code word that a silent line carries: 0xFF for μ-law, whose value is 0, and 0xD5 for A-law, which
    /// has no zero and is silent at +8.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mulaw => 0xff,
            Self::Alaw => 0xd5,
        }
    }
}

/// The linear 16-bit sample of a μ-law code word.
#[inline]
#[must_use]
pub const fn ulaw_to_linear(code: u8) -> i16 {
    ULAW_TO_LINEAR[code as usize]
}

/// The μ-law code word of a linear 16-bit sample.
#[inline]
#[must_use]
pub const fn linear_to_ulaw(sample: i16) -> u8 {
    LINEAR_TO_ULAW[(sample as u16 >> ULAW_UNUSED_BITS) as usize]
}

/// The linear 16-bit sample of an A-law code word.
#[inline]
#[must_use]
pub const fn alaw_to_linear(code: u8) -> i16 {
    ALAW_TO_LINEAR[code as usize]
}

/// The A-law code word of a linear 16-bit sample.
#[inline]
#[must_use]
pub const fn linear_to_alaw(sample: i16) -> u8 {
    LINEAR_TO_ALAW[(sample as u16 >> ALAW_UNUSED_BITS) as usize]
}

/// μ-law works on 14-bit samples, A-law (its finest step being 2 of 13 bits) on 12-bit ones; so the encoding tables
/// need 16 KiB and 4 KiB instead of 64 KiB each, and stay in a processor's first caches.
const ULAW_UNUSED_BITS: u32 = 2;
const ALAW_UNUSED_BITS: u32 = 4;

static ULAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_ulaw(code as u8);
        code += 1;
    }
    table
};

static ALAW_TO_LINEAR: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = expand_alaw(code as u8);
        code += 1;
    }
    table
};

static LINEAR_TO_ULAW: [u8; 1 << 14] = {
    let mut table = [0; 1 << 14];
    let mut index = 0;
    while index < table.len() {
        table[index] = compress_ulaw(((index as u16) << ULAW_UNUSED_BITS) as i16);
        index += 1;
    }
    table
};

static LINEAR_TO_ALAW: [u8; 1 << 12] = {
    let mut table = [0; 1 << 12];
    let mut index = 0;
    while index < table.len() {
        table[index] = compress_alaw(((index as u16) << ALAW_UNUSED_BITS) as i16);
        index += 1;
    }
    table
};

/// μ-law adds this to a 14-bit magnitude, so that every segment begins at a power of two.
const ULAW_BIAS: i16 = 33;

const fn expand_ulaw(code: u8) -> i16 {
    // All bits travel inverted, so that a quiet line is rich in ones.
    let code = !code;
    let segment = (code >> 4) & 7;
    let step = (code & 0x0f) as i16;
    let magnitude = (((step << 1) + ULAW_BIAS) << segment) - ULAW_BIAS;
    let value = magnitude << ULAW_UNUSED_BITS;
    if code & 0x80 != 0 { -value } else { value }
}

const fn compress_ulaw(sample: i16) -> u8 {
    let (magnitude, sign) = if sample < 0 { (!sample, 0x80) } else { (sample, 0) };
    let biased = (magnitude >> ULAW_UNUSED_BITS) + ULAW_BIAS;
    let biased = if biased > 0x1fff { 0x1fff } else { biased };
    // The leading one of 33 is bit 5: segment 0.
    let segment = biased.ilog2() - 5;
    let step = (biased >> (segment + 1)) as u8 & 0x0f;
    !(sign | (segment as u8) << 4 | step)
}

/// A-law code words travel with every even bit inverted.
const ALAW_INVERSION: u8 = 0x55;

const fn expand_alaw(code: u8) -> i16 {
    let code = code ^ ALAW_INVERSION;
    let segment = (code >> 4) & 7;
    // The value lies in the middle of its interval: half a step above the step's beginning.
    let step = ((code & 0x0f) as i16) << ALAW_UNUSED_BITS | 8;
    let value = if segment == 0 { step } else { (step | 0x100) << (segment - 1) };
    if code & 0x80 != 0 { value } else { -value }
}

const fn compress_alaw(sample: i16) -> u8 {
    let (magnitude, sign) = if sample < 0 { (!sample, 0) } else { (sample, 0x80) };
    let magnitude = magnitude >> ALAW_UNUSED_BITS;
    let code = if magnitude < 32 {
        // Segments 0 and 1 have the same step.
        magnitude as u8
    } else {
        let segment = magnitude.ilog2() - 3;
        ((segment as u8) << 4) | ((magnitude >> (segment - 1)) as u8 & 0x0f)
    };
    (sign | code) ^ ALAW_INVERSION
}
