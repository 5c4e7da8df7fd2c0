//! The fixed predictors: a sample foretold from up to four before it, by differences (RFC 9639, section 9.2.5).

/// The highest order there is.
pub(super) const MOST: usize = 4;

/// Sums of the magnitudes that the predictors of orders 0 to 4 leave over, from the fifth sample on.
pub(super) fn magnitudes(samples: &[i32]) -> [u64; MOST + 1] {
    let mut sums = [0_u64; MOST + 1];
    let mut rest = samples;
    while rest.len() > MOST {
        // A difference of order 4 of 16-bit samples has 20 bits; 1,024 of them fit into 32.
        let piece = &rest[..rest.len().min(1_024 + MOST)];
        let mut part = [0_u32; MOST + 1];
        for window in piece.windows(MOST + 1) {
            let &[e, d, c, b, a] = window else { continue };
            let left = [a, a - b, a - 2 * b + c, a - 3 * b + 3 * c - d, a - 4 * b + 6 * c - 4 * d + e];
            for (sum, left) in part.iter_mut().zip(left) {
                *sum += left.unsigned_abs();
            }
        }
        for (sum, part) in sums.iter_mut().zip(part) {
            *sum += u64::from(part);
        }
        rest = &rest[piece.len() - MOST..];
    }
    sums
}

/// What the predictor of `order` leaves over of each sample from the `order`th on, folded; replaces `out`.
pub(super) fn residual(samples: &[i32], order: usize, out: &mut Vec<u32>) {
    out.clear();
    let windows = samples.windows(order + 1);
    match order {
        0 => out.extend(samples.iter().map(|a| fold(*a))),
        1 => out.extend(windows.map(|w| fold(w[1] - w[0]))),
        2 => out.extend(windows.map(|w| fold(w[2] - 2 * w[1] + w[0]))),
        3 => out.extend(windows.map(|w| fold(w[3] - 3 * w[2] + 3 * w[1] - w[0]))),
        _ => out.extend(windows.map(|w| fold(w[4] - 4 * w[3] + 6 * w[2] - 4 * w[1] + w[0]))),
    }
}

/// Signed to unsigned as the Rice code wants it: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ...
#[inline]
pub(super) fn fold(value: i32) -> u32 {
    (value << 1 ^ value >> 31).cast_unsigned()
}
