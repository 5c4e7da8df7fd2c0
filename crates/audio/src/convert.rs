//! Floating-point samples to 16-bit ones, saturating.

/// One floating-point sample as a 16-bit one.
///
/// −1.0 becomes −32,768; the scale is 32,768, so that what was made by dividing an `i16` by 32,768 comes back
/// unchanged. Values between two steps go to the nearer one (a tie to the even one), values beyond full scale
/// (1.0 is the first of them, infinity the last) stay at full scale, and NaN is silence.
#[inline]
#[must_use]
pub fn sample_from_f32(sample: f32) -> i16 {
    to_nearest(sample * 32_768.0)
}

/// Appends floating-point samples (full scale −1.0 to 1.0) to `out` as 16-bit ones, each by
/// [`sample_from_f32`].
///
/// ```
/// let mut pcm = Vec::new();
/// callrec_audio::convert::from_f32(&[0.0, 0.5, -1.0, 7.0, f32::NAN], &mut pcm);
/// assert_eq!(pcm, [0, 16_384, -32_768, 32_767, 0]);
/// ```
pub fn from_f32(samples: &[f32], out: &mut Vec<i16>) {
    out.extend(samples.iter().map(|&sample| sample_from_f32(sample)));
}

/// A sample on the 16-bit scale to the nearest step, a tie to the even one. What is beyond stays at full scale, NaN is 0.
#[inline]
pub(crate) fn to_nearest(sample: f32) -> i16 {
    // 1.5 · 2²³: a number as large has no bits left behind the point, and adding it rounds. `round_ties_even` is a call to the C
    // library where the processor may lack SSE 4.1, and keeps loops from being vectorised.
    const NO_FRACTION: f32 = 12_582_912.0;
    (sample.clamp(-32_768.0, 32_767.0) + NO_FRACTION - NO_FRACTION) as i16
}
