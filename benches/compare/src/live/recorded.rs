//! Whether callrec has recorded all of what it was sent: nothing refused, nothing lost, every recording finished.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::messages::{FRAME_MS, sid};
use super::process::ServerProcess;

/// How long finishing may take: after calls that were faster than time, much is still to be encoded.
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Waits until every recording is finished, and fails unless each holds as many messages of the caller, and of the bot, as
/// were sent.
pub(crate) fn check(server: &ServerProcess, recordings: &Path, sent: &[[u64; 2]]) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let health = loop {
        let health: Value = serde_json::from_str(&server.ask("/health")?)?;
        if health["recorder"]["live"] == 0 && health["recorder"]["finishing"] == 0 {
            break health;
        }
        ensure!(Instant::now() < deadline, "recordings are not finished: {health}");
        std::thread::sleep(Duration::from_millis(200));
    };
    for refused in [&health["refused"], &health["recorder"]["refused"]] {
        let counters = refused.as_object().context("no counters of what was refused")?;
        ensure!(counters.values().all(|count| *count == 0), "callrec met its limits: {refused}");
    }
    for (number, sent) in sent.iter().enumerate() {
        whole(recordings, number, *sent).with_context(|| server.said())?;
    }
    Ok(())
}

fn whole(recordings: &Path, number: usize, sent: [u64; 2]) -> anyhow::Result<()> {
    let path = recordings.join(format!("call_{}_summary.json", sid("CA", number)));
    let summary = fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
    let summary: Value = serde_json::from_str(&summary)?;
    let stream = &summary["streams"][0];
    let completeness = &stream["completeness"];
    for (track, sent) in ["caller", "assistant"].into_iter().zip(sent) {
        for (what, value) in completeness[track].as_object().context("no word of a track")? {
            let expected = match what.as_str() {
                "frames" => sent,
                "received_ms" => sent * FRAME_MS,
                _ => 0,
            };
            ensure!(*value == expected, "call {number}, {track}: {what} is {value} of {sent} messages");
        }
    }
    let dropped = completeness["dropped"].as_object().context("no word of what was dropped")?;
    ensure!(dropped.values().all(|count| *count == 0), "call {number} dropped something: {dropped:?}");
    ensure!(stream["audio"]["outcome"] == "recorded", "call {number} has no recording: {stream}");
    Ok(())
}
