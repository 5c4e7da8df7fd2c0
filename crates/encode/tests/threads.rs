//! An encoder that is handed from thread to thread writes the same file.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::thread;

use callrec_encode::{Format, Settings};

fn noise(frames: usize, mut seed: u32) -> Vec<i16> {
    (0..frames * 2)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 20) as i16 - 2_048
        })
        .collect()
}

fn encode(format: Format, seed: u32, moving: bool) -> Vec<u8> {
    let pcm = noise(20_000, seed);
    let spec = Settings::default().with_format(format).resolve(8_000).unwrap();
    let mut encoder = spec.encoder().unwrap();
    let mut file = Vec::new();
    for piece in pcm.chunks(1_600) {
        if moving {
            let piece = piece.to_vec();
            let job = thread::spawn(move || {
                encoder.encode(&piece, &mut file).unwrap();
                (encoder, file)
            });
            (encoder, file) = job.join().unwrap();
        } else {
            encoder.encode(piece, &mut file).unwrap();
        }
    }
    let patch = encoder.finish(&mut file).unwrap();
    if let Some(patch) = patch {
        patch.apply(&mut file);
    }
    file
}

#[test]
fn moving_an_encoder_between_threads_changes_nothing() {
    for format in Format::compiled() {
        let jobs: Vec<_> = (0..4).map(|seed| thread::spawn(move || encode(format, seed, true))).collect();
        for (seed, job) in (0..).zip(jobs) {
            assert!(job.join().unwrap() == encode(format, seed, false), "{format}, seed {seed}");
        }
    }
}
