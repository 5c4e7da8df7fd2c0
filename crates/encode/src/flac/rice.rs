//! The Rice code: small numbers in few bits, with a parameter for each part of a block (RFC 9639, section 9.2.7).

use super::bits::BitWriter;

/// The highest order of partitioning that streamable files may use, and so 256 partitions.
pub(super) const MOST_ORDER: u32 = 8;
/// The highest parameter of four bits; the one above marks numbers that are not coded.
const MOST_PARAMETER: u32 = 14;

/// How a block's residual is cut into parts, and what that costs.
pub(super) struct Partitions {
    order: u32,
    parameters: [u8; 1 << MOST_ORDER],
    /// The size in bits, to within rounding.
    pub(super) bits: u64,
}

/// Finds the cheapest way of coding `folded`, which is a block without its first `warm_up` samples, with at most
/// `1 << most_order` parts.
pub(super) fn plan(folded: &[u32], warm_up: usize, most_order: u32) -> Partitions {
    let length = folded.len() + warm_up;
    let fits = |order: u32| length.is_multiple_of(1 << order) && length >> order > warm_up;
    let finest = (0..=most_order.min(MOST_ORDER)).rev().find(|order| fits(*order)).unwrap_or(0);

    let mut sums = [0_u64; 1 << MOST_ORDER];
    let part = length >> finest;
    let first = (part - warm_up).min(folded.len());
    sums[0] = total(&folded[..first]);
    for (sum, part) in sums[1..].iter_mut().zip(folded[first..].chunks_exact(part)) {
        *sum = total(part);
    }

    let mut best = Partitions { order: 0, parameters: [0; 1 << MOST_ORDER], bits: u64::MAX };
    let mut parameters = best.parameters;
    for order in (0..=finest).rev() {
        let parts = 1 << order;
        let mut bits = 0;
        for (index, (parameter, sum)) in parameters[..parts].iter_mut().zip(&sums).enumerate() {
            let count = (length >> order) - if index == 0 { warm_up } else { 0 };
            let (chosen, size) = cheapest(*sum, count as u64);
            *parameter = chosen as u8;
            bits += 4 + size;
        }
        if bits <= best.bits {
            best = Partitions { order, parameters, bits };
        }
        for index in 0..parts / 2 {
            sums[index] = sums[2 * index] + sums[2 * index + 1];
        }
    }
    best.bits += 6;
    best
}

/// The best parameter for `count` numbers that add up to `sum`, and about how many bits they take.
fn cheapest(sum: u64, count: u64) -> (u32, u64) {
    let size = |parameter: u32| {
        // The bits cut off below the parameter are half of what they could be, on average.
        let cut = count * ((1 << parameter) - 1) / 2;
        count * u64::from(parameter + 1) + (sum.saturating_sub(cut) >> parameter)
    };
    let near = (sum / count.max(1)).checked_ilog2().unwrap_or(0).min(MOST_PARAMETER);
    let (parameter, bits) = (near, size(near));
    if near == 0 {
        return (parameter, bits);
    }
    let below = size(near - 1);
    if below < bits { (near - 1, below) } else { (parameter, bits) }
}

fn total(numbers: &[u32]) -> u64 {
    numbers.iter().map(|number| u64::from(*number)).sum()
}

/// Writes `folded` as planned.
pub(super) fn write(folded: &[u32], warm_up: usize, plan: &Partitions, bits: &mut BitWriter<'_>) {
    let length = folded.len() + warm_up;
    bits.put(plan.order.into(), 6); // two bits of method: parameters of four bits
    let mut rest = folded;
    for (index, parameter) in plan.parameters[..1 << plan.order].iter().enumerate() {
        let count = (length >> plan.order) - if index == 0 { warm_up } else { 0 };
        let (part, after) = rest.split_at(count.min(rest.len()));
        rest = after;
        let parameter = u32::from(*parameter);
        bits.put(parameter.into(), 4);
        let low = (1_u64 << parameter) - 1;
        for number in part {
            let high = number >> parameter;
            let ending = u64::from(*number) & low | 1 << parameter;
            if high < 48 {
                bits.put(ending, high + 1 + parameter);
            } else {
                bits.put_unary(high);
                bits.put(ending & low, parameter);
            }
        }
    }
}
