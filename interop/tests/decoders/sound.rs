//! What is encoded, and how what comes back is judged.

use super::tools::speech;
use callrec_audio::mix::interleave;
use callrec_audio::resample::Resampler;
use std::sync::LazyLock;

/// The kinds of calls that a codec must do well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Two voices in turns.
    Speech,
    /// Bursts of a tone at full scale, on both sides.
    Bursts,
    /// A silent caller beside a talking assistant.
    OneSided,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Speech, Self::Bursts, Self::OneSided];
}

/// What a telephone line would carry of two voices, at 8,000 Hz.
static VOICES: LazyLock<[Vec<i16>; 2]> = LazyLock::new(|| {
    let texts = [
        ("en-gb+m3", "Hello. I would like to know whether you are open on Sundays, and until when."),
        ("en-us+f3", "On Sundays we open at ten in the morning and close at four in the afternoon."),
    ];
    texts.map(|(voice, text)| {
        let mut heard: Vec<i16> = speech(voice, text, 8_000);
        for sample in &mut heard {
            *sample = callrec_audio::g711::ulaw_to_linear(callrec_audio::g711::linear_to_ulaw(*sample));
        }
        heard
    })
});

/// A stereo call at a rate in Hz, left the caller: brought to the rate as callrec brings it.
pub(crate) fn interleaved(kind: Kind, rate: u32) -> Vec<i16> {
    let [first, second] = &*VOICES;
    let silence = |samples: usize| vec![0_i16; samples];
    let (caller, assistant) = match kind {
        Kind::Speech => {
            ([first.clone(), silence(second.len())].concat(), [silence(first.len()), second.clone()].concat())
        }
        Kind::OneSided => (silence(second.len()), second.clone()),
        Kind::Bursts => (bursts(700.0), bursts(1_100.0)),
    };
    let [caller, assistant] = [caller, assistant].map(|pcm| {
        let (mut resampler, mut out) = (Resampler::new(8_000, rate).unwrap(), Vec::new());
        resampler.process(&pcm, &mut out);
        resampler.finish(&mut out);
        out
    });
    let mut pcm = Vec::new();
    interleave(&caller, &assistant, &mut pcm);
    pcm
}

/// Four seconds: 200 ms of a tone at full scale, 300 ms of nothing.
fn bursts(hz: f64) -> Vec<i16> {
    let tone = |n: u32| (std::f64::consts::TAU * hz * f64::from(n) / 8_000.0).sin() * 32_000.0;
    (0..32_000).map(|n| if n % 4_000 < 1_600 { tone(n) as i16 } else { 0 }).collect()
}

pub(crate) fn left(pcm: &[i16]) -> Vec<i16> {
    pcm.iter().step_by(2).copied().collect()
}

/// Both sides in one, at half their level.
pub(crate) fn mono(pcm: &[i16]) -> Vec<i16> {
    pcm.chunks_exact(2).map(|pair| pair[0] / 2 + pair[1] / 2).collect()
}

/// By how many samples `heard` is late, by the highest correlation.
pub(crate) fn best_lag(sent: &[i16], heard: &[i16]) -> i64 {
    let middle = sent.len() / 4..(sent.len() * 3 / 4).min(sent.len() / 4 + 30_000);
    let score = |lag: i64| -> i64 {
        middle
            .clone()
            .map(|n| {
                let at =
                    usize::try_from(n as i64 + lag).ok().and_then(|at| heard.get(at)).copied().unwrap_or(0);
                i64::from(sent[n]) * i64::from(at)
            })
            .sum()
    };
    (-200..2_400).max_by_key(|lag| score(*lag)).unwrap()
}

/// Signal to noise, over all samples, in dB.
pub(crate) fn snr_db(sent: &[i16], heard: &[i16]) -> f64 {
    let energy: f64 = sent.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let noise: f64 = sent
        .iter()
        .zip(heard.iter().chain(std::iter::repeat(&0)))
        .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum();
    10.0 * (energy / noise.max(1.0)).log10()
}
