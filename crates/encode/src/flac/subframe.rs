//! One channel of one block, in whichever of FLAC's forms is smallest.

use super::bits::BitWriter;
use super::level::Effort;
use super::linear::Analysis;
use super::{predict, rice};

/// Room for what is tried, used for each channel anew.
#[derive(Default)]
pub(super) struct Work {
    analysis: Analysis,
    fixed: Vec<u32>,
    linear: Vec<u32>,
}

/// One channel's samples of a block, without the low bits that are zero in all of them.
///
/// What a mu-law line carries is a multiple of 4 when decoded to 16 bits, of an A-law line of 8: a quarter and more
/// of a file is saved by saying so once a block.
#[derive(Default)]
pub(super) struct Channel {
    pub(super) samples: Vec<i32>,
    /// Bits of a sample, those left out included.
    width: u32,
    wasted: u32,
}

impl Channel {
    /// Takes the samples of a block in place of those before.
    pub(super) fn fill(&mut self, samples: impl Iterator<Item = i32>, width: u32) {
        self.samples.clear();
        self.samples.extend(samples);
        self.width = width;
        let set = self.samples.iter().fold(0, |set, sample| set | sample);
        self.wasted = if set == 0 { 0 } else { set.trailing_zeros() };
        if self.wasted > 0 {
            for sample in &mut self.samples {
                *sample >>= self.wasted;
            }
        }
    }

    pub(super) fn is_constant(&self) -> bool {
        self.samples.iter().all(|sample| *sample == self.samples[0])
    }

    /// Writes the channel.
    pub(super) fn write(&self, effort: &Effort, work: &mut Work, bits: &mut BitWriter<'_>) {
        let width = self.width - self.wasted;
        if self.is_constant() {
            self.header(CONSTANT, bits);
            bits.put_signed(self.samples[0], width);
            return;
        }
        let Work { analysis, fixed, linear } = work;
        let fixed_order = best_order(&self.samples);
        predict::residual(&self.samples, fixed_order, fixed);
        let fixed_plan = rice::plan(fixed, fixed_order, effort.partitions);
        let fixed_bits = fixed_plan.bits + fixed_order as u64 * u64::from(width);
        let predictor = analysis.predictor(&self.samples, effort.order, width);
        let by_weights = predictor.map(|predictor| {
            predictor.residual(&self.samples, linear);
            let plan = rice::plan(linear, predictor.order, effort.partitions);
            let bits = plan.bits + predictor.order as u64 * u64::from(width) + predictor.bits();
            (predictor, plan, bits)
        });
        let verbatim = self.samples.len() as u64 * u64::from(width);
        match by_weights {
            Some((predictor, plan, size)) if size < fixed_bits.min(verbatim) => {
                self.header(LINEAR + predictor.order as u64 - 1, bits);
                self.plain(predictor.order, bits);
                predictor.write(bits);
                rice::write(linear, predictor.order, &plan, bits);
            }
            _ if fixed_bits < verbatim => {
                self.header(FIXED + fixed_order as u64, bits);
                self.plain(fixed_order, bits);
                rice::write(fixed, fixed_order, &fixed_plan, bits);
            }
            _ => {
                self.header(VERBATIM, bits);
                self.plain(self.samples.len(), bits);
            }
        }
    }

    fn header(&self, kind: u64, bits: &mut BitWriter<'_>) {
        bits.put(kind << 1 | u64::from(self.wasted > 0), 8);
        if self.wasted > 0 {
            bits.put_unary(self.wasted - 1);
        }
    }

    /// Writes the first `count` samples as they are.
    fn plain(&self, count: usize, bits: &mut BitWriter<'_>) {
        for sample in &self.samples[..count] {
            bits.put_signed(*sample, self.width - self.wasted);
        }
    }
}

const CONSTANT: u64 = 0;
const VERBATIM: u64 = 1;
const FIXED: u64 = 8;
const LINEAR: u64 = 32;

fn best_order(samples: &[i32]) -> usize {
    if samples.len() <= predict::MOST + 1 {
        return 0;
    }
    let sums = predict::magnitudes(samples);
    (0..sums.len()).min_by_key(|order| sums[*order]).unwrap_or(0)
}
