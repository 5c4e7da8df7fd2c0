//! What mixing and conversion promise, over every pair of samples that proptest thinks of.
#![allow(clippy::unwrap_used, reason = "tests")]

use callrec_audio::convert::{from_f32, sample_from_f32};
use callrec_audio::mix::{interleave, sum, sum_samples};
use proptest::prelude::*;

#[test]
fn every_sample_beside_silence_is_itself() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!([sum_samples(sample, 0), sum_samples(0, sample)], [sample, sample]);
    }
}

/// Against the formula in floating point, before any clamp: so the clamp is seen never to act.
#[test]
fn the_sum_never_leaves_the_range_even_at_the_edges() {
    let edges = (0..300).flat_map(|n| [i16::MIN + n, i16::MAX - n, n, -n]).collect::<Vec<_>>();
    for &a in &edges {
        for &b in &edges {
            let (x, y) = (f64::from(a), f64::from(b));
            let bend = if x * y > 0.0 { (x * y / 32_768.0).ceil() * x.signum() } else { 0.0 };
            let expected = x + y - bend;
            assert!((-32_768.0..=32_767.0).contains(&expected), "{a} + {b}");
            assert_eq!(f64::from(sum_samples(a, b)), expected, "{a} + {b}");
        }
    }
}

#[test]
fn a_sixteen_bit_sample_survives_the_way_through_floating_point() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(sample_from_f32(f32::from(sample) / 32_768.0), sample);
    }
}

#[test]
fn what_is_no_sample_becomes_full_scale_or_silence() {
    let mut out = vec![9];
    from_f32(
        &[1.0, -1.0, 1.5, -1.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, -0.0, f32::MIN_POSITIVE],
        &mut out,
    );
    assert_eq!(out, [9, i16::MAX, i16::MIN, i16::MAX, i16::MIN, i16::MAX, i16::MIN, 0, 0, 0]);
}

proptest! {
    #[test]
    fn the_sum_is_the_same_from_both_sides_and_grows_with_each(a: i16, b: i16, more in 0_i16..100) {
        prop_assert_eq!(sum_samples(a, b), sum_samples(b, a));
        // Rounding may cost one step.
        prop_assert!(sum_samples(a.saturating_add(more), b) >= sum_samples(a, b).saturating_sub(1));
    }

    #[test]
    fn the_shorter_side_goes_on_as_silence(left: Vec<i16>, right: Vec<i16>) {
        let (mut stereo, mut mono) = (vec![5], vec![6]);
        interleave(&left, &right, &mut stereo);
        sum(&left, &right, &mut mono);
        let longer = left.len().max(right.len());
        prop_assert_eq!([stereo.len(), mono.len()], [1 + 2 * longer, 1 + longer]);
        prop_assert_eq!([stereo[0], mono[0]], [5, 6]);
        for n in 0..longer {
            let (l, r) = (left.get(n).copied().unwrap_or(0), right.get(n).copied().unwrap_or(0));
            prop_assert_eq!(&stereo[1 + 2 * n..3 + 2 * n], &[l, r]);
            prop_assert_eq!(mono[1 + n], sum_samples(l, r));
        }
    }

    #[test]
    fn floating_point_goes_to_the_nearest_step(sample in -1.0_f32..1.0) {
        let exact = f64::from(sample) * 32_768.0;
        prop_assert!((f64::from(sample_from_f32(sample)) - exact.min(32_767.0)).abs() <= 0.5);
    }
}
