//! What is kept of fuzzing, read once more; and what fuzzing does, in small: any bytes, and seeds that were bent.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests; reads the seeds and findings")]

use std::path::{Path, PathBuf};

use callrec_fuzz::{TARGETS, audio, seeds};
use proptest::prelude::*;

/// The files of a target in a directory of this crate.
fn files(directory: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(target);
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn every_seed_and_everything_that_was_found_is_read() {
    audio::tell_panics_once();
    for (target, read) in TARGETS {
        assert!(!files("seeds", target).is_empty(), "{target} has no seeds");
        for path in [files("seeds", target), files("findings", target)].concat() {
            println!("{}", path.display());
            read(&std::fs::read(path).unwrap());
        }
    }
}

#[test]
fn the_seeds_that_are_kept_are_those_that_are_written() {
    for (target, name, bytes) in seeds::seeds() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target).join(&name);
        let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{target}/{name}: {error}"));
        // Encoders may differ from machine to machine in the last bit.
        assert!(kept == bytes || target == "audio", "{target}/{name}: write the seeds again, by its example");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        audio::tell_panics_once();
        for (_, read) in TARGETS {
            read(&bytes);
        }
    }

    #[test]
    fn any_seed_is_read_however_it_is_bent(
        seed in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..6),
    ) {
        audio::tell_panics_once();
        for (target, read) in TARGETS {
            let seeds: Vec<_> = SEEDS.iter().filter(|seed| seed.0 == target).collect();
            let (mut bytes, other) = (seed.get(&seeds).2.clone(), &other.get(&seeds).2);
            for (at, value, how) in &bends {
                let at = at.index(bytes.len() + 1);
                match how {
                    0 if at < bytes.len() => bytes[at] = *value,
                    1 => bytes.truncate(at),
                    2 => bytes.insert(at, *value),
                    _ => drop(bytes.splice(at.., other.iter().skip(usize::from(*value)).copied())),
                }
            }
            read(&bytes);
        }
    }
}

static SEEDS: std::sync::LazyLock<Vec<seeds::Seed>> = std::sync::LazyLock::new(seeds::seeds);
