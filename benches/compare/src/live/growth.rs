//! What a call more costs where there are many: time, memory and delay of relayed calls, by the load generator.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

use crate::cpu::{Bench, run as run_to_end};
use crate::figure::Figure;
use crate::report::Report;

/// From so many calls to so many.
const CALLS: [u64; 2] = [50, 250];
/// The load at which delays are looked at, in percent of the server's processor.
const LOAD: f64 = 70.0;

/// Measures it and adds the figures. Nothing of this process may be bound to a processor yet.
pub(super) fn run(bench: &Bench<'_>, seconds: u64, work: &Path, report: &mut Report) -> anyhow::Result<()> {
    let [few, many] = CALLS;
    let told = bench.progress("growth", 1);
    let grown = measure(bench, seconds, work, &format!("{few},{many}"), "on")?;
    let [at_few, at_many] = [few, many].map(|calls| level(&grown, calls, "recording"));
    let (at_few, at_many) = (at_few?, at_many?);
    let what = format!("A second of a relayed call, recorded in MP3: {many} calls");
    let cost = [cpu_ms(at_many)?, cpu_ms(at_few)?];
    report.add(Figure::each(&what, &format!("callrec, {few} calls"), cost, "ms").at_most(1.10));
    let what = format!("Resident memory of a relayed call, recorded in MP3: from {few} to {many} calls");
    report.add(Figure::absolute(&what, number(&grown, "memory_per_call")? / 1e3, "kB", 400.0));

    let calls = (many as f64 * LOAD / number(at_many, "server_percent")?).round() as u64;
    let loaded = measure(bench, seconds, work, &calls.to_string(), "alternate")?;
    let (on, off) = (level(&loaded, calls, "recording")?, level(&loaded, calls, "without")?);
    for (way, name) in [("to_bot_ms", "bot"), ("to_provider_ms", "provider")] {
        let what =
            format!("Delay of a message to the {name}, p99, {calls} relayed calls: what recording adds");
        report.add(Figure::absolute(&what, p99(on, way)? - p99(off, way)?, "ms", 2.0));
    }
    report.note(format!(
        "With {many} calls the server's processor was busy for {:.0} % of the time, and where delays were measured for {:.0} %. Without \
         recording it was {:.0} %; the delays to bot and provider were {:.2} and {:.2} ms then, p99.",
        number(at_many, "server_percent")?,
        number(on, "server_percent")?,
        number(off, "server_percent")?,
        p99(off, "to_bot_ms")?,
        p99(off, "to_provider_ms")?,
    ));
    told.finish_and_clear();
    Ok(())
}

/// Runs the load generator, which looks at every recording.
fn measure(
    bench: &Bench<'_>,
    seconds: u64,
    work: &Path,
    calls: &str,
    recording: &str,
) -> anyhow::Result<Value> {
    let json = work.join("growth.json");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", "--calls", calls, "--recording", recording, "--set", "MP3_BITRATE=128k"]);
    command
        .args(["--runs", &bench.runs.to_string(), "--seconds", &seconds.max(2).to_string(), "--json"])
        .arg(&json);
    run_to_end(&mut command)?;
    Ok(serde_json::from_slice(&std::fs::read(&json)?)?)
}

fn level<'a>(report: &'a Value, calls: u64, recording: &str) -> anyhow::Result<&'a Value> {
    let mut levels = report["levels"].as_array().into_iter().flatten();
    let level = levels.find(|level| level["calls"] == calls).context("no such level")?;
    ensure!(level[recording].is_object(), "nothing was measured of {calls} calls");
    Ok(&level[recording])
}

/// Milliseconds of CPU for a second of a call.
fn cpu_ms(level: &Value) -> anyhow::Result<f64> {
    let parts = level["cpu_ms"].as_object().context("no CPU time")?;
    Ok(parts.values().filter_map(Value::as_f64).sum())
}

fn p99(level: &Value, way: &str) -> anyhow::Result<f64> {
    number(&level[way], "p99")
}

fn number(value: &Value, name: &str) -> anyhow::Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name}"))
}
