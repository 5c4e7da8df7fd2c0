//! The sampling rate of a stream changed on the way, in pieces of any size, without moving it in time.

use audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::convert::to_nearest;
pub use crate::convert::{from_f32, sample_from_f32};

/// The lowest rate, in Hz, that [`Resampler`] takes or gives.
pub const MIN_RATE_HZ: u32 = 1_000;
/// The highest rate, in Hz, that [`Resampler`] takes or gives.
pub const MAX_RATE_HZ: u32 = 192_000;
/// The largest side of a reduced ratio of rates: any two rates up to this many Hz go together.
const MAX_TERM: u32 = 48_000;
/// The filter has at least this many taps at the lower of the two rates: with fewer than 384 what is heard of a file at twice the
/// rate is measurably less (ViSQOL), more cost memory alone.
const MIN_BLOCK: u32 = 384;

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
/// The filter (windowed sinc by FFT, of the crate `rubato`) works in blocks of 384 samples or more at the lower rate, and the
/// output comes a block and a half behind. It is flat to 0.96 of half the lower rate (3,850 of a telephone line's 4,000 Hz) and
/// down by 90 dB from that half on. Between rates with nothing in common the blocks grow, to one second at most.
/// Two silent blocks in a row skip the filter, which would give the same zeros.
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
    filter: Option<Filter>,
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
        let filter = if from_hz == to_hz { None } else { Some(Filter::new(from_hz, to_hz)?) };
        Ok(Self { from_hz, to_hz, filter, taken: 0, given: 0 })
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
    /// Does not allocate while `out` has room.
    pub fn process(&mut self, mut input: &[i16], out: &mut Vec<i16>) {
        self.taken += input.len() as u64;
        let Some(filter) = &mut self.filter else {
            self.given += input.len() as u64;
            out.extend_from_slice(input);
            return;
        };
        let before = out.len();
        while !input.is_empty() {
            input = filter.fill(input);
            if filter.is_full() {
                filter.run(usize::MAX, out);
            }
        }
        self.given += (out.len() - before) as u64;
    }

    /// Ends the stream: appends the samples still held back. The resampler is then as new, for another stream.
    pub fn finish(&mut self, out: &mut Vec<i16>) {
        if let Some(filter) = &mut self.filter {
            let due = converted_length(self.taken, self.from_hz, self.to_hz);
            while self.given < due {
                filter.fill_with_silence();
                let before = out.len();
                filter.run(usize::try_from(due - self.given).unwrap_or(usize::MAX), out);
                self.given += (out.len() - before) as u64;
            }
            filter.reset();
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

/// The FFT filter with its block buffers and what is needed to take off its delay.
#[derive(Debug)]
struct Filter {
    fft: Fft<f32>,
    /// One block of input on the 16-bit scale, of which the first `filled` samples are there.
    block_in: Vec<f32>,
    filled: usize,
    /// Whether a sample of the block so far is not 0.
    sounding: bool,
    /// Whether the block before was silent: then nothing of it overlaps into the next.
    was_silent: bool,
    block_out: Vec<f32>,
    /// Output samples still to be dropped: the filter's delay, at the beginning of a stream.
    to_drop: usize,
}

impl Filter {
    /// For rates that were checked.
    fn new(from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        let divisor = gcd(from_hz, to_hz);
        let (from_term, to_term) = (from_hz / divisor, to_hz / divisor);
        // An even number of the shortest blocks, so that half a block, the delay, is a whole number of samples.
        let repeats = MIN_BLOCK.div_ceil(from_term.min(to_term)).next_multiple_of(2);
        let block = (from_term * repeats) as usize;
        let fft = Fft::new_custom(
            from_hz as usize,
            to_hz as usize,
            block,
            1,
            1,
            rubato::WindowFunction::Blackman,
            FixedSync::Both,
        )
        .map_err(|_| ResampleError::OddRatio { from_hz, to_hz })?;
        let block_in = vec![0.0; fft.input_frames_max()];
        let block_out = vec![0.0; fft.output_frames_max()];
        let to_drop = fft.output_delay();
        Ok(Self { fft, block_in, filled: 0, sounding: false, was_silent: true, block_out, to_drop })
    }

    fn is_full(&self) -> bool {
        self.filled == self.block_in.len()
    }

    /// Fills the block as far as `input` goes and gives back what was too much.
    fn fill<'a>(&mut self, input: &'a [i16]) -> &'a [i16] {
        let (now, later) = input.split_at(input.len().min(self.block_in.len() - self.filled));
        let mut bits = 0;
        for (slot, &sample) in self.block_in[self.filled..].iter_mut().zip(now) {
            *slot = f32::from(sample);
            bits |= sample;
        }
        self.sounding |= bits != 0;
        self.filled += now.len();
        later
    }

    fn fill_with_silence(&mut self) {
        self.block_in[self.filled..].fill(0.0);
        self.filled = self.block_in.len();
    }

    /// Filters the full block and appends at most `limit` samples of the result, less the delay.
    fn run(&mut self, limit: usize, out: &mut Vec<i16>) {
        if !self.sounding && self.was_silent {
            self.block_out.fill(0.0);
        } else {
            self.filter_block();
        }
        self.was_silent = !self.sounding;
        self.sounding = false;
        self.filled = 0;

        let dropped = self.to_drop.min(self.block_out.len());
        self.to_drop -= dropped;
        out.extend(self.block_out[dropped..].iter().take(limit).map(|&sample| to_nearest(sample)));
    }

    fn filter_block(&mut self) {
        let (frames_in, frames_out) = (self.block_in.len(), self.block_out.len());
        let done = SequentialSlice::new(&self.block_in, 1, frames_in).ok().and_then(|input| {
            let mut output = SequentialSlice::new_mut(&mut self.block_out, 1, frames_out).ok()?;
            self.fft.process_into_buffer(&input, &mut output, None).ok()
        });
        // The buffers have the sizes the filter asked for, so it has no ground to refuse. If it did, silence of the
        // right length would keep the stream in time.
        debug_assert_eq!(done, Some((frames_in, frames_out)));
        if done.is_none() {
            self.block_out.fill(0.0);
        }
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.sounding = false;
        self.was_silent = true;
        self.to_drop = self.fft.output_delay();
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
