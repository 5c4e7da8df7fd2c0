//! The shipped binary with fifty people on the phone, and what may happen to it: it is killed, it is told to end, its disk is
//! full or slow, or hangs. And with one, whose every sync is looked at.
//!
//! The phones play what the bots say by clocks of their own and echo marks as a provider does; so it is known of every tick how
//! much the caller had heard by then. Of a relayed call, a recording must hold exactly that at its end, to what its summary gives
//! as its error, and all that the bot said before, in order and without a hole.
//!
//! `KILLS=200 cargo test --release -p callrec-server --test mishaps kills -- --nocapture` kills it so often, at random moments,
//! and prints in which phases of their lives the recordings were, and what was lost. `MISHAPS_SEED` is what everything is drawn
//! from.
#![cfg(all(unix, feature = "wav", feature = "flac"))]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout, reason = "tests")]

mod calls;
#[path = "../../../../load/tests/heard/decoded.rs"]
mod decoded;
mod deploys;
#[cfg(target_os = "linux")]
mod disks;
mod handset;
#[cfg(target_os = "linux")]
mod hung;
mod judge;
mod kills;
mod left;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod requests;
#[cfg(target_os = "linux")]
mod slow;
#[path = "../spawned/mod.rs"]
#[allow(dead_code, reason = "not every file of tests uses all of it")]
mod spawned;
// What a system call gave back is in a register, which one depends on the architecture.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod syncs;
mod tally;
#[cfg(target_os = "linux")]
mod traced;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod trail;

use left::names;
use spawned::Spawned;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Longer than any recovery takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(60);

/// Fifty calls at a time are enough for one machine.
static TURN: Mutex<()> = Mutex::const_new(());

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Starts a server that finds what another left, and ends it when everything is finished; tells how long that took.
async fn recover(home: &Path, settings: &[(&str, &str)]) -> Duration {
    let began = Instant::now();
    let server = Spawned::start(home, settings);
    while !is_tidy(&home.join("responses")) {
        assert!(began.elapsed() < LONG, "not recovered: {}", server.log());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let recovered = began.elapsed();
    let (well, log) = server.terminate();
    assert!(well, "{log}");
    recovered
}

/// Whether there is nothing but locks where everything unfinished is.
fn is_tidy(responses: &Path) -> bool {
    names(&responses.join(".journal")).iter().all(|name| name.ends_with(".lock"))
}
