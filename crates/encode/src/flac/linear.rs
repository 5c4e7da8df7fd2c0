//! Linear prediction: a sample foretold from up to sixteen before it, by weights made for the block (RFC 9639, section 9.2.6).

use std::f64::consts::PI;

use super::bits::BitWriter;
use super::predict::fold;

/// The highest order used here. The format knows 32; speech on a telephone line has no use for them.
pub(super) const MOST: usize = 16;
/// Bits of a weight at most, so that sixteen of them times samples of 16 bits add up to 32.
const MOST_PRECISION: u32 = 12;
/// The most places that a weight may have behind its point.
const MOST_SHIFT: u32 = 15;

/// The weights of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Predictor {
    pub(super) order: usize,
    /// Bits of a weight.
    precision: u32,
    /// How many of them are behind the point.
    shift: u32,
    /// The weights of the samples just before, the latest last, behind zeros.
    weights: [i32; MOST],
}

/// What a block is looked at through: a window, so that its ends are no edges, and room for the windowed samples.
#[derive(Default)]
pub(super) struct Analysis {
    window: Vec<f64>,
    windowed: Vec<f64>,
}

impl Analysis {
    /// The weights, of at most `most_order`, that promise the fewest bits. None where there is nothing to foretell.
    ///
    /// `width`: bits of a sample.
    pub(super) fn predictor(&mut self, samples: &[i32], most_order: usize, width: u32) -> Option<Predictor> {
        let most_order = most_order.min(MOST);
        if most_order == 0 || samples.len() <= 2 * MOST {
            return None;
        }
        if self.window.len() != samples.len() {
            self.window = tukey(samples.len());
        }
        self.windowed.clear();
        self.windowed
            .extend(samples.iter().zip(&self.window).map(|(sample, weight)| *sample as f64 * weight));
        let products = autocorrelation(&self.windowed, most_order);
        let precision = precision(samples.len());
        let (order, weights) = solve(&products[..=most_order], samples.len(), width + precision)?;
        quantised(&weights[..order], precision)
    }
}

/// Bits of a weight: in a longer block each pays for more.
fn precision(length: usize) -> u32 {
    length.ilog2().min(MOST_PRECISION)
}

/// A window that rises and falls over a quarter of the block each, as a cosine does.
fn tukey(length: usize) -> Vec<f64> {
    let slope = (length / 4).max(1);
    let rise = |at: usize| 0.5 - 0.5 * ((at as f64 + 0.5) / slope as f64 * PI).cos();
    (0..length).map(|at| rise(at.min(length - 1 - at).min(slope))).collect()
}

/// The sums of products of samples that are 0 to `most` apart.
fn autocorrelation(samples: &[f64], most: usize) -> [f64; MOST + 1] {
    let mut sums = [0.0; MOST + 1];
    for (apart, sum) in sums[..=most].iter_mut().enumerate() {
        // Eight sums side by side, as vector code adds them up. With single precision, sound that was resampled from a lower
        // rate would make files a twelfth longer.
        let (later, last) = samples[apart..].as_chunks::<8>();
        let (earlier, earlier_last) = samples[..samples.len() - apart].as_chunks::<8>();
        let mut lanes = [0.0; 8];
        for (later, earlier) in later.iter().zip(earlier) {
            for lane in 0..8 {
                lanes[lane] += later[lane] * earlier[lane];
            }
        }
        for ((lane, later), earlier) in lanes.iter_mut().zip(last).zip(earlier_last) {
            *lane += later * earlier;
        }
        *sum = lanes.iter().sum();
    }
    sums
}

/// The weights of the order that promises the fewest bits, by the recursion of Levinson and Durbin.
///
/// `each_costs`: bits by which an order more makes the block longer.
fn solve(products: &[f64], length: usize, each_costs: u32) -> Option<(usize, [f64; MOST])> {
    let mut left = products[0];
    if left <= 0.0 {
        return None;
    }
    let (mut weights, mut best) = ([0.0; MOST], None);
    let mut fewest = f64::INFINITY;
    for order in 1..products.len() {
        let known: f64 = (0..order - 1).map(|at| weights[at] * products[order - 1 - at]).sum();
        let reflection = (products[order] - known) / left;
        let before = weights;
        for at in 0..order - 1 {
            weights[at] = before[at] - reflection * before[order - 2 - at];
        }
        weights[order - 1] = reflection;
        left *= 1.0 - reflection * reflection;
        if left.is_nan() || left <= 0.0 {
            break;
        }
        // A number of this variance, Rice coded, and the weights themselves.
        let each = (0.5 * (left / length as f64).log2()).max(0.0);
        let bits = each * (length - order) as f64 + order as f64 * f64::from(each_costs);
        if bits < fewest {
            (fewest, best) = (bits, Some((order, weights)));
        }
    }
    best
}

/// The weights as whole numbers; what is lost by one is made good by the next.
fn quantised(weights: &[f64], precision: u32) -> Option<Predictor> {
    let largest = weights.iter().fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
    let before_point = (largest.log2().floor() as i32 + 1).max(1 - MOST_SHIFT as i32);
    let shift = (precision as i32 - 1 - before_point).min(MOST_SHIFT as i32);
    let shift = u32::try_from(shift).ok()?;
    let order = weights.len();
    let limit = f64::from(1 << (precision - 1));
    let mut predictor = Predictor { order, precision, shift, weights: [0; MOST] };
    let mut lost = 0.0;
    for (back, weight) in weights.iter().enumerate() {
        let exact = weight * f64::from(1 << shift) + lost;
        let whole = exact.round().clamp(-limit, limit - 1.0);
        lost = exact - whole;
        predictor.weights[MOST - 1 - back] = whole as i32;
    }
    Some(predictor)
}

impl Predictor {
    /// What is left over of each sample from the `order`th on, folded; replaces `out`.
    pub(super) fn residual(&self, samples: &[i32], out: &mut Vec<u32>) {
        match self.order {
            0..=4 => self.residual_of::<4>(samples, out),
            5..=8 => self.residual_of::<8>(samples, out),
            9..=12 => self.residual_of::<12>(samples, out),
            _ => self.residual_of::<MOST>(samples, out),
        }
    }

    fn residual_of<const WEIGHTS: usize>(&self, samples: &[i32], out: &mut Vec<u32>) {
        out.clear();
        let weights: [i32; WEIGHTS] = std::array::from_fn(|at| self.weights[MOST - WEIGHTS + at]);
        // A sample of 16 bits times a weight of 12, sixteen times: that fits.
        for at in self.order..samples.len().min(WEIGHTS) {
            let before = &samples[at - self.order..at];
            let sum: i32 = before.iter().zip(&weights[WEIGHTS - self.order..]).map(|(s, w)| s * w).sum();
            out.push(fold(samples[at] - (sum >> self.shift)));
        }
        let shift = self.shift;
        out.extend(samples.windows(WEIGHTS + 1).map(|window| {
            let mut sum = 0;
            for at in 0..WEIGHTS {
                sum += window[at] * weights[at];
            }
            fold(window[WEIGHTS] - (sum >> shift))
        }));
    }

    /// The bits that the weights take.
    pub(super) fn bits(&self) -> u64 {
        4 + 5 + self.order as u64 * u64::from(self.precision)
    }

    /// Writes the weights.
    pub(super) fn write(&self, bits: &mut BitWriter<'_>) {
        bits.put(u64::from(self.precision - 1), 4);
        bits.put(self.shift.into(), 5);
        for weight in self.weights[MOST - self.order..].iter().rev() {
            bits.put_signed(*weight, self.precision);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::predict;
    use super::*;

    /// What a filter with two poles makes of noise, and so what its two weights foretell but for the noise.
    fn resonance(length: usize) -> Vec<i32> {
        let (mut noise, mut before) = (1_u32, [0.0_f64; 2]);
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sample = 1.6 * before[0] - 0.9 * before[1] + f64::from(noise >> 24) - 127.5;
            before = [sample, before[0]];
            sample.round() as i32
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_weights_of_a_resonance_are_found() {
        let predictor = Analysis::default().predictor(&resonance(4_096), 8, 16).unwrap();
        let weight =
            |back: usize| f64::from(predictor.weights[MOST - back]) / f64::from(1 << predictor.shift);
        assert!((weight(1) - 1.6).abs() < 0.05 && (weight(2) + 0.9).abs() < 0.05, "{predictor:?}");
        assert_eq!(predictor.order, 2, "more would not pay");
    }

    #[test]
    fn samples_are_their_prediction_and_what_it_left_over_at_every_order() {
        let samples = resonance(300);
        for order in 1..=MOST {
            let weights: Vec<f64> =
                (0..order).map(|at| [1.6, -0.9, 0.3, -0.1][at % 4] / (1 + at / 4) as f64).collect();
            let predictor = quantised(&weights, 12).unwrap();
            let mut folded = Vec::new();
            predictor.residual(&samples, &mut folded);
            let mut again = samples[..order].to_vec();
            for folded in folded {
                // As a decoder does it, in numbers that nothing overflows.
                let sum: i64 = (1..=order)
                    .map(|back| {
                        i64::from(again[again.len() - back]) * i64::from(predictor.weights[MOST - back])
                    })
                    .sum();
                let left = i64::from(folded >> 1) ^ -i64::from(folded & 1);
                again.push(((sum >> predictor.shift) + left) as i32);
            }
            assert!(again == samples, "order {order}");
        }
    }

    #[test]
    fn the_loudest_samples_and_the_largest_weights_overflow_nothing() {
        let samples: Vec<i32> = (0..500).map(|at| if at / 7 % 2 == 0 { 32_767 } else { -32_768 }).collect();
        let mut folded = Vec::new();
        for sign in [1.0, -1.0] {
            let weights: Vec<f64> =
                (0..MOST).map(|at| if at % 2 == 0 { 1.99 } else { sign * 1.99 }).collect();
            quantised(&weights, MOST_PRECISION).unwrap().residual(&samples, &mut folded);
            assert_eq!(folded.len(), 500 - MOST);
        }
    }

    #[test]
    fn what_cannot_be_foretold_has_no_weights() {
        let mut analysis = Analysis::default();
        assert_eq!(analysis.predictor(&[0; 1_000], 8, 16), None);
        assert_eq!(analysis.predictor(&resonance(20), 8, 16), None, "too short");
        assert_eq!(analysis.predictor(&resonance(1_000), 0, 16), None, "not asked for");
    }

    #[test]
    fn speech_like_sound_is_shorter_by_weights_than_by_differences() {
        let samples = resonance(1_024);
        let size = |folded: &[u32]| folded.iter().map(|number| u64::from(*number)).sum::<u64>();
        let (mut by_weights, mut by_differences) = (Vec::new(), Vec::new());
        Analysis::default().predictor(&samples, 8, 16).unwrap().residual(&samples, &mut by_weights);
        let best = (0..=predict::MOST).map(|order| {
            predict::residual(&samples, order, &mut by_differences);
            size(&by_differences)
        });
        assert!(size(&by_weights) * 10 < best.min().unwrap() * 9);
    }
}
