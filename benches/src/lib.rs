//! Sound for the benchmarks: what a telephone carries, made anew each time and always the same.

use std::f64::consts::TAU;

/// Speech-like samples at a rate in Hz: a voice's harmonics that swell and fade, and pauses.
#[must_use]
pub fn voice(rate: u32, seconds: u32, pitch_hz: f64) -> Vec<i16> {
    (0..rate * seconds)
        .map(|n| {
            let t = f64::from(n) / f64::from(rate);
            // A syllable every 250 ms, and a pause in every third second.
            let loudness = if t as u32 % 3 == 2 { 0.0 } else { (TAU * 2.0 * t).sin().abs() };
            let harmonics: f64 =
                (1..8).map(|k| (TAU * pitch_hz * f64::from(k) * t).sin() / f64::from(k)).sum();
            (loudness * harmonics * 6_000.0) as i16
        })
        .collect()
}
