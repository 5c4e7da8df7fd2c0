//! The sampling rate of a stream changed on the way, in pieces of any size, without moving it in time.

mod filter;

use filter::{Filter, Stream};

pub use crate::convert::{from_f32, sample_from_f32};

/// The lowest rate, in Hz, that [`Resampler`] takes or gives.
pub const MIN_RATE_HZ: u32 = 1_000;
/// The highest rate, in Hz, that [`Resampler`] takes or gives.
pub const MAX_RATE_HZ: u32 = 192_000;
/// The largest side of a reduced ratio of rates: any two rates up to this many Hz go together.
const MAX_TERM: u32 = 48_000;
/// Two rates that no [`Resampler`] goes between.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// One of the rates is not a rate of sound.
    #[error("a sampling rate of {rate_hz} Hz is outside {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz")]
    RateOutOfRange {
        /// The rate that was refused, in Hz.
        rate_hz: u32,
    },
    /// The rates have so small a common divisor that a block of whole samples would be longer than a second.
    #[error("{from_hz} Hz and {to_hz} Hz have too little in common to resample between them")]
    OddRatio {
        /// The rate of the input, in Hz.
        from_hz: u32,
        /// The rate of the output, in Hz.
        to_hz: u32,
    },
}

/// Resamples one channel as it arrives.
///
/// * **Nothing moves.** The filter's delay is taken off at the beginning and its tail is given out by [`finish`],
///   so that sample 0 of the output is the instant of sample 0 of the input.
/// * **The length is exact.** `n` samples become `n · to / from`, rounded to the nearest (a half upwards).
/// * **Pieces do not matter.** The output is the same however the input was cut up.
/// * **Equal rates are a copy,** bit for bit.
///
/// The filter (a windowed sinc, applied by FFT) works in blocks of 384 samples or more at the lower rate, and the
/// output comes a block and a half behind. It is flat to 0.96 of half the lower rate (3,850 of a telephone line's 4,000 Hz) and
/// down by 90 dB from that half on. Between rates with nothing in common the blocks grow, to one second at most.
/// Two silent blocks in a row skip the filter, which would give the same zeros. All streams between the same rates share one, and a
/// stream takes some kB.
///
/// Does not allocate in `process` and `finish` but on a thread where no stream between these rates was begun or filtered before.
///
/// ```
/// use callrec_audio::resample::Resampler;
///
/// let mut resampler = Resampler::new(8_000, 44_100)?;
/// let mut out = Vec::new();
/// for frame in [[100_i16; 160]; 50] {
///     resampler.process(&frame, &mut out);
/// }
/// resampler.finish(&mut out);
/// assert_eq!(out.len(), 44_100); // 50 frames of 20 ms
/// # Ok::<(), callrec_audio::resample::ResampleError>(())
/// ```
///
/// [`finish`]: Self::finish
#[derive(Debug)]
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    /// None where the rates are equal.
    stream: Option<Stream>,
    /// Samples taken in and given out since the stream began.
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A resampler from one rate to another, both in Hz.
    ///
    /// # Errors
    /// [`ResampleError`] if a rate is outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`], or if the two, reduced to lowest terms,
    /// are beyond 48,000 to 1. All rates in use for speech or music go together, and any two up to 48,000 Hz do.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        Self::check(from_hz, to_hz)?;
        let stream = (from_hz != to_hz).then(|| Stream::new(Filter::between(from_hz, to_hz)));
        Ok(Self { from_hz, to_hz, stream, taken: 0, given: 0 })
    }

    /// Whether there is a resampler between two rates in Hz, without the work of making one.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn check(from_hz: u32, to_hz: u32) -> Result<(), ResampleError> {
        for rate_hz in [from_hz, to_hz] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
                return Err(ResampleError::RateOutOfRange { rate_hz });
            }
        }
        if from_hz != to_hz && from_hz.max(to_hz) / gcd(from_hz, to_hz) > MAX_TERM {
            return Err(ResampleError::OddRatio { from_hz, to_hz });
        }
        Ok(())
    }

    /// The rate of the input, in Hz.
    #[must_use]
    pub fn from_hz(&self) -> u32 {
        self.from_hz
    }

    /// The rate of the output, in Hz.
    #[must_use]
    pub fn to_hz(&self) -> u32 {
        self.to_hz
    }

    /// Takes the stream's next samples, any number of them, and appends to `out` what is ready.
    ///
    /// Does not allocate while `out` has room, but the first time on a thread.
    pub fn process(&mut self, input: &[i16], out: &mut Vec<i16>) {
        self.taken += input.len() as u64;
        let before = out.len();
        match &mut self.stream {
            None => out.extend_from_slice(input),
            Some(stream) => stream.process(input, out),
        }
        self.given += (out.len() - before) as u64;
    }

    /// Ends the stream: appends the samples still held back. The resampler is then as new, for another stream.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if let Some(stream) = &mut self.stream {
            let due = converted_length(self.taken, self.from_hz, self.to_hz) - self.given;
            stream.finish(usize::try_from(due).unwrap_or(usize::MAX), out);
        }
        self.taken = 0;
        self.given = 0;
    }
}

/// How many samples at `to_hz` last as long as `samples` at `from_hz`, to the nearest (a half upwards).
///
/// The number that [`Resampler`] gives for a whole stream. A `from_hz` of 0 is taken as 1.
#[must_use]
pub fn converted_length(samples: u64, from_hz: u32, to_hz: u32) -> u64 {
    let from = u128::from(from_hz.max(1));
    let exact = (2 * u128::from(samples) * u128::from(to_hz) + from) / (2 * from);
    u64::try_from(exact).unwrap_or(u64::MAX)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
