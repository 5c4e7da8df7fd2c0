//! The filter: a windowed sinc, applied block by block to the spectrum (overlap-add).
//!
//! What the streams between two rates have in common, the filter's spectrum and the tables of the transforms, is there once for
//! all of them, and what is needed while a block is filtered once for each thread. A stream itself is a block of samples and an
//! overlap: some kB.

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::cell::RefCell;
use std::f64::consts::PI;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::gcd;
use crate::convert::to_nearest;

/// The filter has at least this many taps at the lower of the two rates: with fewer than 384 what is heard of a file at twice the
/// rate is measurably less (ViSQOL), more cost memory alone.
const MIN_BLOCK: u32 = 384;
/// How far below half the lower rate the filter's band ends, in parts of that half, times its taps: the main lobe of a Blackman
/// window is 12 such parts wide, and with a little more the first of the side lobes is above that half too.
const ROLL_OFF: f64 = 6.2;

/// The filters in use.
static FILTERS: Mutex<Vec<Weak<Filter>>> = Mutex::new(Vec::new());

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

/// What lies between two rates, in Hz.
pub(super) struct Filter {
    from_hz: u32,
    to_hz: u32,
    /// Samples of a block, before and behind the filter.
    block_in: usize,
    block_out: usize,
    /// As far as the narrower of both spectra goes.
    response: Vec<Complex<f32>>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("from_hz", &self.from_hz)
            .field("to_hz", &self.to_hz)
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// The filter between rates that were checked; that of another stream, if there is one.
    pub(super) fn between(from_hz: u32, to_hz: u32) -> Arc<Self> {
        let mut filters = FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
        filters.retain(|filter| filter.strong_count() > 0);
        let same = |filter: &Arc<Self>| (filter.from_hz, filter.to_hz) == (from_hz, to_hz);
        filters.iter().filter_map(Weak::upgrade).find(same).unwrap_or_else(|| {
            let filter = Arc::new(Self::new(from_hz, to_hz));
            filters.push(Arc::downgrade(&filter));
            filter
        })
    }

    fn new(from_hz: u32, to_hz: u32) -> Self {
        let divisor = gcd(from_hz, to_hz);
        let (from_term, to_term) = (from_hz / divisor, to_hz / divisor);
        // An even number of the shortest blocks, so that half a block, the delay, is a whole number of samples.
        let repeats = MIN_BLOCK.div_ceil(from_term.min(to_term)).next_multiple_of(2);
        let (block_in, block_out) = ((from_term * repeats) as usize, (to_term * repeats) as usize);
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(2 * block_in);
        let inverse = planner.plan_fft_inverse(2 * block_out);
        let mut taps = taps(block_in, block_out.min(block_in));
        let mut response = forward.make_output_vec();
        // Cannot fail: the buffers are of the transform's own sizes.
        let _ = forward.process(&mut taps, &mut response);
        // What is at half the lower rate is of no use, and at half the output's could not be told from its mirror image.
        response.truncate(block_in.min(block_out));
        Self { from_hz, to_hz, block_in, block_out, response, forward, inverse }
    }
}

/// A sinc in a Blackman window, behind it as many zeros, whose band ends below half the rate of `lower` samples a block. Its sum is
/// 1, less what a transform there and back multiplies by.
fn taps(length: usize, lower: usize) -> Vec<f32> {
    let cutoff = (1.0 - ROLL_OFF / lower as f64) * lower as f64 / length as f64;
    let tap = |n: usize| {
        let angle = 2.0 * PI * n as f64 / length as f64;
        let window = 0.42 - 0.5 * angle.cos() + 0.08 * (2.0 * angle).cos();
        let at = PI * cutoff * (n as f64 - length as f64 / 2.0);
        window * if at == 0.0 { 1.0 } else { at.sin() / at }
    };
    let sum: f64 = (0..length).map(tap).sum();
    let scale = 1.0 / (sum * 2.0 * length as f64);
    let mut taps: Vec<f32> = (0..length).map(|n| (tap(n) * scale) as f32).collect();
    taps.resize(2 * length, 0.0);
    taps
}

/// Room for a block on its way through the filter.
#[derive(Debug, Default)]
struct Work {
    samples_in: Vec<f32>,
    spectrum_in: Vec<Complex<f32>>,
    spectrum_out: Vec<Complex<f32>>,
    samples_out: Vec<f32>,
    scratch: Vec<Complex<f32>>,
}

impl Work {
    /// Makes everything as long as the filter needs it. Allocates only where it never was as long.
    fn fit(&mut self, filter: &Filter) {
        self.samples_in.resize(2 * filter.block_in, 0.0);
        self.spectrum_in.resize(filter.block_in + 1, Complex::default());
        self.spectrum_out.resize(filter.block_out + 1, Complex::default());
        self.samples_out.resize(2 * filter.block_out, 0.0);
        let scratch = filter.forward.get_scratch_len().max(filter.inverse.get_scratch_len());
        self.scratch.resize(scratch, Complex::default());
    }

    /// Filters a block; what comes of it is in `samples_out`, on the 16-bit scale, twice as long as a block of the output.
    fn filter(&mut self, filter: &Filter, block: &[i16]) {
        self.fit(filter);
        let (sounding, behind) = self.samples_in.split_at_mut(filter.block_in);
        sounding.iter_mut().zip(block).for_each(|(slot, &sample)| *slot = f32::from(sample));
        behind.fill(0.0);
        let there = &filter.forward;
        let there =
            there.process_with_scratch(&mut self.samples_in, &mut self.spectrum_in, &mut self.scratch);
        let (band, above) = self.spectrum_out.split_at_mut(filter.response.len());
        for ((out, spectrum), response) in band.iter_mut().zip(&self.spectrum_in).zip(&filter.response) {
            *out = spectrum * response;
        }
        above.fill(Complex::default());
        let back = &filter.inverse;
        let back =
            back.process_with_scratch(&mut self.spectrum_out, &mut self.samples_out, &mut self.scratch);
        // The buffers have the sizes that the transforms asked for, so they have no ground to refuse. If they did, silence of the
        // right length would keep the stream in time.
        debug_assert!(there.is_ok() && back.is_ok());
        if there.is_err() || back.is_err() {
            self.samples_out.fill(0.0);
        }
    }
}

/// A stream on its way through a filter.
#[derive(Debug)]
pub(super) struct Stream {
    filter: Arc<Filter>,
    /// Samples that are not a whole block yet.
    block: Vec<i16>,
    /// What the blocks before add to the next.
    overlap: Vec<f32>,
    /// Whether it adds nothing.
    was_silent: bool,
    /// Output samples still to be dropped: the filter's delay, at the beginning of a stream.
    to_drop: usize,
}

impl Stream {
    pub(super) fn new(filter: Arc<Filter>) -> Self {
        // What this thread needs is there before the first block is.
        WORK.with_borrow_mut(|work| work.fit(&filter));
        let (block, overlap) = (Vec::with_capacity(filter.block_in), vec![0.0; filter.block_out]);
        let to_drop = filter.block_out / 2;
        Self { filter, block, overlap, was_silent: true, to_drop }
    }

    /// Takes the stream's next samples and appends what they complete.
    pub(super) fn process(&mut self, mut input: &[i16], out: &mut Vec<i16>) {
        while !input.is_empty() {
            let (now, later) = input.split_at(input.len().min(self.filter.block_in - self.block.len()));
            self.block.extend_from_slice(now);
            input = later;
            if self.block.len() == self.filter.block_in {
                self.run(usize::MAX, out);
            }
        }
    }

    /// Ends the stream: appends `due` samples that are still to come. The stream is then as new.
    pub(super) fn finish(&mut self, mut due: usize, out: &mut Vec<i16>) {
        while due > 0 {
            let before = out.len();
            self.block.resize(self.filter.block_in, 0);
            self.run(due, out);
            due -= out.len() - before;
        }
        self.block.clear();
        self.overlap.fill(0.0);
        self.was_silent = true;
        self.to_drop = self.filter.block_out / 2;
    }

    /// Filters the whole block and appends at most `limit` samples of the result, less the delay.
    fn run(&mut self, limit: usize, out: &mut Vec<i16>) {
        let block_out = self.filter.block_out;
        let dropped = self.to_drop.min(block_out);
        self.to_drop -= dropped;
        let given = (block_out - dropped).min(limit);
        let is_silent = self.block.iter().all(|&sample| sample == 0);
        if is_silent && self.was_silent {
            out.extend(std::iter::repeat_n(0, given));
        } else {
            WORK.with_borrow_mut(|work| {
                work.filter(&self.filter, &self.block);
                let (now, later) = work.samples_out.split_at(block_out);
                let sums =
                    now.iter().zip(&self.overlap).map(|(&sample, &overlap)| to_nearest(sample + overlap));
                out.extend(sums.skip(dropped).take(given));
                self.overlap.copy_from_slice(later);
            });
        }
        self.was_silent = is_silent;
        self.block.clear();
    }
}
