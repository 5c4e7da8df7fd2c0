//! Two parties brought together: side by side as stereo, or summed to one channel that cannot clip.

/// Appends `left` and `right` to `out` as interleaved stereo: left, right, left, right ...
///
/// The shorter side goes on as silence to the length of the longer.
///
/// ```
/// let mut stereo = Vec::new();
/// callrec_audio::mix::interleave(&[1, 2, 3], &[-1], &mut stereo);
/// assert_eq!(stereo, [1, -1, 2, 0, 3, 0]);
/// ```
pub fn interleave(left: &[i16], right: &[i16], out: &mut Vec<i16>) {
    let both = left.len().min(right.len());
    out.reserve(2 * left.len().max(right.len()));
    out.extend(left[..both].iter().zip(&right[..both]).flat_map(|(&l, &r)| [l, r]));
    out.extend(left[both..].iter().flat_map(|&l| [l, 0]));
    out.extend(right[both..].iter().flat_map(|&r| [0, r]));
}

/// Appends the sum of `a` and `b` to `out` as one channel, each sample by [`sum_samples`].
///
/// The shorter side goes on as silence to the length of the longer.
pub fn sum(a: &[i16], b: &[i16], out: &mut Vec<i16>) {
    let both = a.len().min(b.len());
    out.reserve(a.len().max(b.len()));
    out.extend(a[..both].iter().zip(&b[..both]).map(|(&a, &b)| sum_samples(a, b)));
    // Beside silence a sample is itself; only one of the two has a rest.
    out.extend_from_slice(&a[both..]);
    out.extend_from_slice(&b[both..]);
}

/// The sum of two samples, bent so that it cannot leave the 16-bit range.
///
/// While one party is silent the other is unchanged, bit for bit, and of opposite signs the sum is plain. Of equal
/// signs it is `a + b − |a||b|/32768` in magnitude: 6 dB louder for quiet voices, less the nearer the two come to
/// full scale. In a telephone call the parties seldom speak at once, so the level of neither need be halved.
///
/// ```
/// use callrec_audio::mix::sum_samples;
/// assert_eq!(sum_samples(12_345, 0), 12_345);
/// assert_eq!(sum_samples(1_000, 1_000), 1_969);
/// assert_eq!(sum_samples(i16::MIN, i16::MIN), i16::MIN);
/// ```
#[inline]
#[must_use]
pub fn sum_samples(a: i16, b: i16) -> i16 {
    let (a, b) = (i32::from(a), i32::from(b));
    // At most 2^30. Rounded up, because 32767 + 32767 less the product rounded down would be 32768.
    let bend = (a * b).max(0).wrapping_add(32_767) >> 15;
    let bent = a + b - if a < 0 { -bend } else { bend };
    // In range by the formula; the clamp costs nothing and says so to the reader and the compiler.
    bent.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}
