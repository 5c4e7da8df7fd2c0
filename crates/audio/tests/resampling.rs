//! What the resampler promises: nothing moves, nothing is lost, pieces do not matter, and it sounds right.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::f64::consts::TAU;

use callrec_audio::resample::{MAX_RATE_HZ, ResampleError, Resampler, converted_length};
use proptest::prelude::*;

const PAIRS: [(u32, u32); 9] = [
    (8_000, 16_000),
    (8_000, 44_100),
    (24_000, 8_000),
    (8_000, 11_025),
    (16_000, 48_000),
    (48_000, 8_000),
    (44_100, 8_000),
    (16_000, 8_000),
    (22_050, 16_000),
];

fn resample(from_hz: u32, to_hz: u32, input: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
    let mut out = Vec::new();
    resampler.process(input, &mut out);
    resampler.finish(&mut out);
    out
}

fn sine(rate_hz: u32, frequency: f64, amplitude: f64, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| (amplitude * (TAU * frequency * n as f64 / f64::from(rate_hz)).sin()).round() as i16)
        .collect()
}

/// Amplitude and phase (radians) of one frequency in a stretch that begins at sample `first` of the stream.
fn tone(samples: &[i16], first: usize, rate_hz: u32, frequency: f64) -> (f64, f64) {
    let (mut sin, mut cos) = (0.0, 0.0);
    for (n, &sample) in samples.iter().enumerate() {
        let angle = TAU * frequency * (first + n) as f64 / f64::from(rate_hz);
        sin += f64::from(sample) * angle.sin();
        cos += f64::from(sample) * angle.cos();
    }
    (2.0 * sin.hypot(cos) / samples.len() as f64, cos.atan2(sin))
}

/// The ratio, in dB, of a tone's power to everything else in the stretch.
fn purity_db(samples: &[i16], first: usize, rate_hz: u32, frequency: f64) -> f64 {
    let (amplitude, phase) = tone(samples, first, rate_hz, frequency);
    let rest: f64 = samples
        .iter()
        .enumerate()
        .map(|(n, &sample)| {
            let angle = TAU * frequency * (first + n) as f64 / f64::from(rate_hz);
            (f64::from(sample) - amplitude * (angle + phase).sin()).powi(2)
        })
        .sum();
    10.0 * (amplitude.powi(2) / 2.0 * samples.len() as f64 / rest).log10()
}

#[test]
fn an_impulse_stays_at_its_instant() {
    for (from_hz, to_hz) in PAIRS {
        // Far enough from the end that the filter's tail is not cut off, which would move the centre.
        for at_ms in [50, 500, 900] {
            let at = from_hz as usize * at_ms / 1_000;
            let mut input = vec![0; from_hz as usize];
            input[at] = 30_000;
            let out = resample(from_hz, to_hz, &input);
            // The impulse is a sinc now; its centre of energy is where it was.
            let energy: f64 = out.iter().map(|&s| f64::from(s).powi(2)).sum();
            let centre =
                out.iter().enumerate().map(|(n, &s)| n as f64 * f64::from(s).powi(2)).sum::<f64>() / energy;
            let expected = at as f64 * f64::from(to_hz) / f64::from(from_hz);
            assert!((centre - expected).abs() < 0.05, "{from_hz} -> {to_hz}: {centre} for {expected}");
        }
    }
}

#[test]
fn a_tone_keeps_its_phase_its_level_and_its_purity() {
    for (from_hz, to_hz) in PAIRS {
        for frequency in [200.0, 1_000.0, 3_000.0, 3_400.0, 3_800.0] {
            let input = sine(from_hz, frequency, 20_000.0, from_hz as usize);
            let out = resample(from_hz, to_hz, &input);
            // A whole number of periods, away from the edges where the tone begins and stops with a click.
            let (first, count) = (to_hz as usize / 10, to_hz as usize / 5);
            let stretch = &out[first..first + count];
            let (amplitude, phase) = tone(stretch, first, to_hz, frequency);
            let label = format!("{from_hz} -> {to_hz} at {frequency} Hz");
            assert!((amplitude / 20_000.0 - 1.0).abs() < 0.005, "{label}: amplitude {amplitude}");
            assert!(phase.abs() < 0.001, "{label}: phase {phase}");
            let purity = purity_db(stretch, first, to_hz, frequency);
            assert!(purity > 80.0, "{label}: {purity} dB");
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_carry_is_gone_and_does_not_fold_back() {
    for (from_hz, to_hz) in
        [(16_000, 8_000), (24_000, 8_000), (44_100, 8_000), (48_000, 8_000), (48_000, 16_000)]
    {
        let limit = f64::from(to_hz) / 2.0;
        for frequency in [limit + 1.0, limit * 1.2, limit * 1.9] {
            let frequency = frequency.min(f64::from(from_hz) / 2.0 - 50.0);
            let out = resample(from_hz, to_hz, &sine(from_hz, frequency, 20_000.0, from_hz as usize));
            let loudest = out[out.len() / 4..3 * out.len() / 4].iter().map(|s| s.unsigned_abs()).max();
            assert!(loudest <= Some(4), "{from_hz} -> {to_hz} at {frequency} Hz: {loudest:?}");
        }
    }
}

#[test]
fn no_image_of_the_telephone_band_appears_above_it() {
    let out = resample(8_000, 16_000, &sine(8_000, 3_000.0, 20_000.0, 8_000));
    let (image, _) = tone(&out[1_600..4_800], 1_600, 16_000, 5_000.0);
    assert!(image < 1.0, "an image of amplitude {image}");
}

#[test]
fn equal_rates_are_a_copy() {
    let input: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    assert_eq!(resample(8_000, 8_000, &input), input);
}

#[test]
fn full_scale_overshoots_to_full_scale_and_never_wraps() {
    let square: Vec<i16> = (0..8_000).map(|n| if n / 40 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    for to_hz in [11_025, 16_000, 44_100] {
        let out = resample(8_000, to_hz, &square);
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
        let middle_of_half = |half: usize| (half * 40 + 20) * to_hz as usize / 8_000;
        for half in 2..190 {
            let sample = out[middle_of_half(half)];
            assert_eq!(sample > 0, half % 2 == 0, "half period {half} at {to_hz}: {sample}");
            assert!(sample.unsigned_abs() > 30_000, "half period {half} at {to_hz}: {sample}");
        }
    }
}

#[test]
fn silence_is_exactly_silence_and_audio_after_it_is_unchanged() {
    assert!(resample(8_000, 44_100, &[0; 20_000]).iter().all(|&sample| sample == 0));
    // 480 samples are a block of this pair: silence of whole blocks is skipped, one sample less is not, and the
    // tone after it comes out the same.
    let tone = sine(8_000, 700.0, 9_000.0, 4_000);
    let after = |silence: usize| {
        let mut input = tone.clone();
        input.resize(input.len() + silence, 0);
        input.extend(&tone);
        resample(8_000, 44_100, &input)
    };
    let (skipped, dry) = (after(480 * 56), resample(8_000, 44_100, &tone));
    let tail = skipped.len() - dry.len();
    // One side is filtered beside silence, the other at the stream's beginning: the same up to rounding.
    for (n, (&a, &b)) in skipped[tail..].iter().zip(&dry).enumerate() {
        assert!((i32::from(a) - i32::from(b)).abs() <= 1, "sample {n}: {a}, {b}");
    }
}

/// A single quiet click keeps the filter running where silence would skip it: the rest must not change.
#[test]
fn skipping_silence_changes_nothing_that_is_heard() {
    let mut input = vec![0_i16; 40_000];
    input[5_000..6_000].copy_from_slice(&sine(8_000, 450.0, 12_000.0, 1_000));
    input[30_000..31_000].copy_from_slice(&sine(8_000, 450.0, 12_000.0, 1_000));
    let skipped = resample(8_000, 16_000, &input);
    for sample in input.iter_mut().skip(10_000).step_by(256).take(60) {
        *sample = 1;
    }
    let kept_running = resample(8_000, 16_000, &input);
    for (n, (&a, &b)) in skipped.iter().zip(&kept_running).enumerate() {
        assert!((i32::from(a) - i32::from(b)).abs() <= 1, "sample {n}: {a}, {b}");
    }
}

#[test]
fn a_finished_resampler_is_as_new() {
    let input = sine(8_000, 440.0, 10_000.0, 3_333);
    let mut resampler = Resampler::new(8_000, 44_100).unwrap();
    let mut runs = [Vec::new(), Vec::new()];
    for out in &mut runs {
        resampler.process(&input, out);
        resampler.finish(out);
    }
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn a_stream_without_samples_gives_none() {
    for (from_hz, to_hz) in PAIRS {
        assert_eq!(resample(from_hz, to_hz, &[]), []);
    }
}

#[test]
fn impossible_rates_are_refused_by_name() {
    for rate_hz in [0, 1, 999, MAX_RATE_HZ + 1, u32::MAX] {
        assert_eq!(Resampler::new(rate_hz, 8_000).unwrap_err(), ResampleError::RateOutOfRange { rate_hz });
        assert_eq!(Resampler::new(8_000, rate_hz).unwrap_err(), ResampleError::RateOutOfRange { rate_hz });
    }
    let odd = Resampler::new(8_000, 191_999).unwrap_err();
    assert_eq!(odd, ResampleError::OddRatio { from_hz: 8_000, to_hz: 191_999 });
    assert!(odd.to_string().contains("8000 Hz and 191999 Hz"));
}

#[test]
fn rates_with_nothing_in_common_still_keep_time() {
    for (from_hz, to_hz) in [(8_000, 44_101), (47_999, 8_000), (1_000, 192_000), (192_000, 1_000)] {
        let mut input = vec![0; 2 * from_hz as usize];
        input[from_hz as usize] = 30_000;
        let out = resample(from_hz, to_hz, &input);
        assert_eq!(out.len(), 2 * to_hz as usize);
        let loudest = (0..out.len()).max_by_key(|&n| out[n].unsigned_abs()).unwrap();
        assert!(loudest.abs_diff(to_hz as usize) <= 1, "{from_hz} -> {to_hz}: {loudest}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_size_give_the_same_output_of_the_exact_length(
        pair in 0..PAIRS.len(),
        pieces in prop::collection::vec(prop::collection::vec(any::<i16>(), 0..700), 0..12),
        silent in any::<u16>(),
    ) {
        let (from_hz, to_hz) = PAIRS[pair];
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let (mut whole, mut in_pieces) = (Vec::new(), Vec::new());
        for (n, mut piece) in pieces.into_iter().enumerate() {
            if silent >> n & 1 == 1 {
                piece.fill(0);
            }
            resampler.process(&piece, &mut in_pieces);
            whole.extend(piece);
        }
        resampler.finish(&mut in_pieces);
        prop_assert_eq!(in_pieces.len() as u64, converted_length(whole.len() as u64, from_hz, to_hz));
        prop_assert_eq!(in_pieces, resample(from_hz, to_hz, &whole));
    }

    #[test]
    fn the_length_is_to_the_nearest_sample(n in 0_u64..1 << 40, from_hz in 1_000_u32..192_000, to_hz in 1_000_u32..192_000) {
        let given = u128::from(converted_length(n, from_hz, to_hz));
        let (from, exact) = (u128::from(from_hz), u128::from(n) * u128::from(to_hz));
        prop_assert!(2 * (given * from).abs_diff(exact) <= from);
    }
}
