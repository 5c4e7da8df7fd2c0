//! Noise that says which sample it is, found in a recording.

use callrec_audio::g711::ulaw_to_linear;
use callrec_load::{PlayoutLog, Voice};
use callrec_simulator::{Run, TICK_SAMPLES};

/// So many samples in a row are at one place only.
const TELLING: usize = 8;

/// What is in a recording of the bot's noise.
pub(crate) struct Found {
    /// The stretches, in the order in which they were sent.
    pub(crate) runs: Vec<Run>,
    /// Samples that the bot never sent, or not in this order.
    pub(crate) strange: u64,
}

/// Finds the bot's speech, sample by sample.
pub(crate) fn find(recorded: &[i16], log: &PlayoutLog) -> Found {
    let sent: Vec<i16> = pcm(log.bot_seed, 0, log.sent);
    let mut found = Found { runs: Vec::new(), strange: 0 };
    // What comes next if nothing was left out.
    let (mut at, mut next) = (0, 0);
    while at < recorded.len() {
        let heard = &recorded[at..];
        let length = heard.iter().take_while(|sample| **sample != 0).count();
        if length == 0 {
            at += 1;
            continue;
        }
        let told = length.min(TELLING);
        let Some(skipped) = sent[next..].windows(told).position(|window| *window == heard[..told]) else {
            (at, found.strange) = (at + 1, found.strange + 1);
            continue;
        };
        let first = next + skipped;
        let samples = sent[first..].iter().zip(&heard[..length]).take_while(|(a, b)| a == b).count();
        found.runs.push(Run { first: first as u64, at: at as u64, samples: samples as u64 });
        (at, next) = (at + samples, first + samples);
    }
    found
}

/// How many samples of the caller are not what was sent for their place.
pub(crate) fn wrong_caller_samples(recorded: &[i16], log: &PlayoutLog) -> usize {
    let first = log.first_frame_ms * 8;
    let sent = pcm(log.caller_seed, first, log.frames * TICK_SAMPLES);
    let before = recorded[..first as usize].iter().filter(|sample| **sample != 0).count();
    let heard = &recorded[first as usize..];
    let wrong = sent.iter().zip(heard).filter(|(sent, heard)| sent != heard).count();
    before + wrong + sent.len().saturating_sub(heard.len())
}

fn pcm(seed: u64, first: u64, samples: u64) -> Vec<i16> {
    Voice::Noise.codes(seed, first, samples).into_iter().map(ulaw_to_linear).collect()
}

#[test]
fn speech_is_found_where_it_is_with_what_was_left_out_and_what_is_strange() {
    let log = PlayoutLog { bot_seed: 3, sent: 8_000, ..PlayoutLog::default() };
    let sent = pcm(3, 0, 8_000);
    let recorded = [&[0; 100], &sent[..500], &sent[700..900], &[0; 3], &[1; 2], &sent[1_000..1_004]].concat();
    let found = find(&recorded, &log);
    let run = |first, at, samples| Run { first, at, samples };
    assert_eq!(found.runs, [run(0, 100, 500), run(700, 600, 200), run(1_000, 805, 4)]);
    assert_eq!(found.strange, 2);
}
