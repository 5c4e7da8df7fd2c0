//! What callrec says was heard, held against what was: thousands of calls through a simulated provider and network.
//!
//! The seeds are fixed. Fresh ones are tried by a command; it prints what it drew, and how each call that failed is replayed.
//! The first is of calls without trouble, the second of those that bend:
//!
//! ```sh
//! HEARD_SEED=random HEARD_CALLS=10000 cargo test --release -p callrec-simulator --test heard fresh -- --nocapture
//! HEARD_SEED=random HEARD_CALLS=1000 cargo test --release -p callrec-simulator --test heard troubles -- --nocapture
//! ```
//!
//! A call that failed once goes to [`REMEMBERED`].
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod accuracy;
mod recorder;
mod report;
mod troubles;
mod uncalibrated;

use callrec_simulator::{Bot, BotKind, Conditions, Luck, Truth, Verdict, simulate};
use recorder::{Marks, Recorder, Recording};

const KINDS: [BotKind; 3] = [BotKind::Bursting, BotKind::Pacing, BotKind::Stalling];
const CALL_MS: u64 = 40_000;
/// How long a moment stays open in a live recording.
const HORIZON_MS: u64 = 2_000;
/// Calls that failed once, or are among the worst of many thousand; their seeds are none of the fixed ones.
const REMEMBERED: [(BotKind, u64); 13] = [
    (BotKind::Bursting, 1_000_164),
    (BotKind::Bursting, 1_000_359),
    (BotKind::Bursting, 1_000_784),
    (BotKind::Bursting, 1_001_995),
    (BotKind::Pacing, 1_000_359),
    (BotKind::Pacing, 1_000_745),
    (BotKind::Pacing, 1_001_028),
    (BotKind::Pacing, 1_003_477),
    (BotKind::Stalling, 1_000_044),
    (BotKind::Stalling, 1_001_258),
    (BotKind::Stalling, 1_001_292),
    (BotKind::Stalling, 1_002_077),
    (BotKind::Stalling, 1_003_964),
];

/// The seeds that somebody asked for; none but the fixed ones if nobody did.
#[allow(clippy::disallowed_methods, reason = "seeds are drawn and chosen for these tests alone")]
fn asked_seeds() -> Option<std::ops::Range<u64>> {
    let asked = std::env::var("HEARD_SEED").ok()?;
    let calls: u64 = std::env::var("HEARD_CALLS").ok().map_or(20, |calls| calls.parse().unwrap());
    let first = match asked.as_str() {
        "random" => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            since.as_micros() as u64
        }
        seed => seed.parse().expect("HEARD_SEED is `random` or a number"),
    };
    println!("{calls} calls of a kind, from seed {first}");
    Some(first..first + calls)
}

/// A call of 40 s.
fn call(kind: BotKind, conditions: &Conditions, seed: u64, marks: Marks) -> (Truth, Recording) {
    let bot = Bot::new(kind, CALL_MS, &mut Luck::new(seed));
    record(bot, conditions, seed, CALL_MS, Recorder::new(conditions, marks, HORIZON_MS))
}

/// A call of a bot, as it is recorded.
fn record(
    bot: Bot,
    conditions: &Conditions,
    seed: u64,
    length_ms: u64,
    mut recorder: Recorder,
) -> (Truth, Recording) {
    let truth = simulate(bot, conditions, seed, length_ms, &mut recorder);
    let recording = recorder.finish(truth.ended_us);
    assert_eq!(
        recording.wrong_caller_samples, 0,
        "seed {seed}: the caller's frames are untouched, at their places"
    );
    (truth, recording)
}

/// A call under conditions that are drawn and then bent.
fn drawn_call(
    kind: BotKind,
    seed: u64,
    marks: Marks,
    bend: impl Fn(&mut Conditions, &mut Luck),
) -> (Truth, Recording) {
    let mut luck = Luck::new(seed);
    let mut conditions = Conditions::drawn(&mut luck);
    bend(&mut conditions, &mut luck);
    call(kind, &conditions, seed, marks)
}

/// Many calls, under conditions that are drawn and then bent.
fn judge(
    kind: BotKind,
    seeds: impl Iterator<Item = u64>,
    marks: Marks,
    bend: impl Fn(&mut Conditions, &mut Luck),
) -> Verdict {
    let mut verdict = Verdict::default();
    for seed in seeds {
        let (truth, recording) = drawn_call(kind, seed, marks, &bend);
        verdict.add(seed, &truth, &recording.heard, recording.claim());
    }
    verdict
}
