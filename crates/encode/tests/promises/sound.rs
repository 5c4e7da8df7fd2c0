//! Sound for the tests: something like two people on a telephone, from a seed.

/// A second of it is `rate` frames; interleaved if there are two channels. The parties take turns of about 2 s.
pub(crate) fn conversation(frames: usize, rate: u32, channels: u8) -> Vec<i16> {
    let mut caller = voice(frames, rate, 117.0, 1);
    let assistant = voice(frames, rate, 203.0, 2);
    let turn = rate as usize * 2;
    if channels == 1 {
        for (index, sample) in caller.iter_mut().enumerate() {
            if index / turn % 2 == 1 {
                *sample = assistant[index];
            }
        }
        return caller;
    }
    let sides = caller.iter().zip(&assistant).enumerate();
    sides
        .flat_map(
            |(index, (left, right))| if (index / turn).is_multiple_of(2) { [*left, 0] } else { [0, *right] },
        )
        .collect()
}

/// A caller who talks without a pause, and an assistant who says nothing.
pub(crate) fn one_sided(frames: usize, rate: u32) -> Vec<i16> {
    voice(frames, rate, 117.0, 1).into_iter().flat_map(|left| [left, 0]).collect()
}

/// Harmonics of a wandering pitch under the envelope of syllables, and some breath.
fn voice(frames: usize, rate: u32, pitch: f64, mut seed: u32) -> Vec<i16> {
    let mut phase = 0.0_f64;
    (0..frames)
        .map(|index| {
            let t = index as f64 / f64::from(rate);
            let syllable = (t * 4.3 * std::f64::consts::PI).sin().abs() * (0.6 + 0.4 * (t * 0.9).sin());
            phase += (pitch + 20.0 * (t * 2.1).sin()) / f64::from(rate);
            let harmonics: f64 = (1..=16)
                .map(|n| {
                    let hz = pitch * f64::from(n);
                    let formant = 1.0 / (1.0 + ((hz - 600.0) / 400.0).powi(2))
                        + 0.5 / (1.0 + ((hz - 1_800.0) / 500.0).powi(2));
                    formant * (phase * f64::from(n) * std::f64::consts::TAU).sin()
                })
                .sum();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let breath = f64::from(seed >> 16) / 65_536.0 - 0.5;
            (syllable * (harmonics * 5_000.0 + breath * 800.0)).clamp(-32_000.0, 32_000.0) as i16
        })
        .collect()
}
