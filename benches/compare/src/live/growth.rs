//! What a call more costs where there are many: time, memory and delay of relayed calls, by the load generator.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

use crate::cpu::{Bench, run as run_to_end};
use crate::figure::Figure;
use crate::material::Material;
use crate::report::Report;

/// From so many calls to so many.
const CALLS: [u64; 2] = [50, 250];
/// The load at which delays are looked at, in percent of the server's processor.
const LOAD: f64 = 70.0;
/// So near it is to be, after as many tries of so many seconds.
const NEAR: f64 = 3.0;
const TRIES: u32 = 4;
const TRIED: u64 = 20;
/// How many windows long the calls are looked at that are to be older.
const OLDER: u64 = 4;
/// Within how many seconds all calls begin, and hang up.
const RAMP: u64 = 10;

/// The load generator, which looks at every recording.
struct Generator<'a> {
    seconds: u64,
    server: &'a Path,
    work: &'a Path,
    material: &'a Material,
}

/// Measures it and adds the figures. Nothing of this process may be bound to a processor yet.
pub(super) fn run(
    bench: &Bench<'_>,
    seconds: u64,
    server: &Path,
    material: &Material,
    work: &Path,
    report: &mut Report,
) -> anyhow::Result<()> {
    let generator = Generator { seconds: seconds.max(2), server, work, material };
    let [few, many] = CALLS;
    let told = bench.progress("growth", 1);
    let grown = generator.run(bench.runs, &format!("{few},{many}"), &["on"])?;
    let [at_few, at_many] = [few, many].map(|calls| level(&grown, calls, "recording"));
    let (at_few, at_many) = (at_few?, at_many?);
    let what = format!(
        "A second of a relayed call, recorded in MP3: {many} calls, until the last recording is there"
    );
    let cost = [number(at_many, "cpu_ms_to_the_end")?, number(at_few, "cpu_ms_to_the_end")?];
    report.add(Figure::each(&what, &format!("callrec, {few} calls"), cost, "ms").at_most(1.10));
    let what = format!("Resident memory of a relayed call, recorded in MP3: from {few} to {many} calls");
    report.add(Figure::absolute(&what, number(&grown, "memory_per_call")? / 1e3, "kB", 400.0));
    report.note(format!(
        "The calls from {few} to {many} were {:.0} s old in the mean. What is said is that of the files' call; bots make no pause of it \
         that is longer than half a second. Every recording was decoded afterwards, and each side's loudness held against what was said. \
         As these calls meet their first bursts, buffers still grow: from the first third of the windows to the last, a minute of a call \
         added {:+.1} kB where there were {few}.",
        number(at_many, "age_seconds")?,
        number(at_few, "memory_per_call_minute")? / 1e3,
    ));

    older(&generator, report)?;
    let calls = generator.calls_at_load(many)?;
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    let loaded = generator.run(bench.runs, &calls.to_string(), &["alternate", "--bare", &this])?;
    delay(&loaded, calls, report)?;
    report.note(format!(
        "With {many} calls the server's processor was busy for {:.0} % of the time. What is put off where there is too much to do counts all          the same: a second of a call is all that was taken from the beginning of a window until every recording was there, by the          seconds that calls were live in it and behind it. A recording was there {:.0} ms after its call hung up in the median and {:.0} ms          at most, where {few} calls hung up within {RAMP} s; where {many} did, {:.0} and {:.0} ms.",
        number(at_many, "server_percent")?,
        number(&at_few["hang_up_ms"], "p50")?,
        number(&at_few["hang_up_ms"], "max")?,
        number(&at_many["hang_up_ms"], "p50")?,
        number(&at_many["hang_up_ms"], "max")?,
    ));
    told.finish_and_clear();
    Ok(())
}

/// What a call more takes once all of them are some minutes old, and their buffers have met many bursts.
fn older(generator: &Generator<'_>, report: &mut Report) -> anyhow::Result<()> {
    let [few, many] = CALLS;
    let older = Generator { seconds: generator.seconds * OLDER, ..*generator };
    let older = older.run(1, &format!("{few},{many}"), &["on"])?;
    let by_age = |calls| {
        let by_age = level(&older, calls, "recording")?["by_age"].as_array();
        by_age.filter(|by_age| !by_age.is_empty()).context("no ages")
    };
    let (at_few, at_many) = (by_age(few)?, by_age(many)?);
    // Of a call, in kB, in one of the parts of the time.
    let slope = |part: usize| {
        let [few_bytes, many_bytes] = [at_few, at_many].map(|by_age| number(&by_age[part], "memory"));
        anyhow::Ok((many_bytes? - few_bytes?) / (many - few) as f64 / 1e3)
    };
    let last = at_few.len().min(at_many.len()) - 1;
    let [young_s, old_s] = [0, last].map(|part| number(&at_many[part], "age_seconds"));
    let (young_s, old_s) = (young_s?, old_s?);
    let what = format!(
        "Resident memory of a relayed call, recorded in MP3: from {few} to {many} calls, {old_s:.0} s old"
    );
    report.add(Figure::absolute(&what, slope(last)?, "kB", 400.0));
    let slopes = (0..=last).map(|part| Ok(format!("{:.0}", slope(part)?)));
    let slopes: Vec<_> = slopes.collect::<anyhow::Result<_>>()?;
    report.note(format!(
        "From {few} to {many} calls a call more held {} kB while they grew from {young_s:.0} to {old_s:.0} s old, in each tenth of that          time; these were there once.",
        slopes.join(", "),
    ));
    Ok(())
}

/// What recording adds to the way of a message.
fn delay(loaded: &Value, calls: u64, report: &mut Report) -> anyhow::Result<()> {
    let (on, off) = (level(loaded, calls, "recording")?, level(loaded, calls, "without")?);
    for (way, name) in [("to_bot_ms", "bot"), ("to_provider_ms", "provider")] {
        let what =
            format!("Delay of a message to the {name}, p99, {calls} relayed calls: what recording adds");
        report.add(Figure::absolute(&what, p99(on, way)? - p99(off, way)?, "ms", 2.0));
    }
    report.note(format!(
        "Where delays were measured the server's processor was busy for {:.0} % of the time, and without recording for {:.0} %; the delays \
         to bot and provider were {:.2} and {:.2} ms then, p99. Without recording the server reads each message as well, keeps the \
         timeline, and journals that audio was left out: what is added is audio, marks and files.",
        number(on, "server_percent")?,
        number(off, "server_percent")?,
        p99(off, "to_bot_ms")?,
        p99(off, "to_provider_ms")?,
    ));
    let bare = level(loaded, calls, "bare")?;
    report.note(format!(
        "Through an actix-ws server that passes the same calls' messages on and does nothing else, delays to bot and provider were {:.2} \
         and {:.2} ms, p99; its processor was busy for {:.0} % of the time.",
        p99(bare, "to_bot_ms")?,
        p99(bare, "to_provider_ms")?,
        number(bare, "server_percent")?,
    ));
    report.note(format!(
        "Delays are those of {} of the {calls} calls, of which both ends are in one thread. The generator's own processor was busy for {:.0} % \
         of the time, and it was late by {:.0} ms at most, in all calls and runs.",
        number(on, "probes")?,
        number(on, "ours_percent")?,
        number(on, "late_ms")?.max(number(off, "late_ms")?),
    ));
    let split = &loaded["levels"][0]["split_ms"];
    report.note(format!(
        "A second of one of these calls took {:.2} ms on the threads of sockets without recording, which is the relay, and {:.2} ms more \
         with it, the ingest; {:.2} ms were the journal's, {:.2} the encoder's and decoder's, and {:.2} of everything else.",
        number(split, "relay")?,
        number(split, "ingest")?,
        number(split, "journal")?,
        number(split, "encode")?,
        number(split, "other")?,
    ));
    Ok(())
}

impl Generator<'_> {
    /// How many calls keep the server's processor as busy as [`LOAD`]. That does not follow from how busy others keep it: few cost more,
    /// each of them, and where there is too much to do some of it is put off.
    fn calls_at_load(&self, most: u64) -> anyhow::Result<u64> {
        let tried = Self { seconds: self.seconds.min(TRIED), ..*self };
        let mut calls = (most as f64 * LOAD / 100.0).round() as u64;
        for _ in 0..TRIES {
            let found = tried.run(1, &calls.to_string(), &["on"])?;
            let percent = number(level(&found, calls, "recording")?, "server_percent")?;
            if (percent - LOAD).abs() <= NEAR {
                break;
            }
            calls = (calls as f64 * LOAD / percent).round().clamp(1.0, most as f64) as u64;
        }
        Ok(calls)
    }

    fn run(&self, runs: u64, calls: &str, recording: &[&str]) -> anyhow::Result<Value> {
        let json = self.work.join("growth.json");
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["load", "--calls", calls, "--set", "MP3_BITRATE=128k", "--recording"]).args(recording);
        for side in &self.material.sides {
            command.arg("--speech").arg(side);
        }
        command.arg("--server").arg(self.server).arg("--work").arg(self.work);
        command.args(["--ramp", &RAMP.to_string()]);
        command.args(["--runs", &runs.to_string(), "--seconds", &self.seconds.to_string(), "--json"]);
        run_to_end(command.arg(&json))?;
        Ok(serde_json::from_slice(&std::fs::read(&json)?)?)
    }
}

fn level<'a>(report: &'a Value, calls: u64, recording: &str) -> anyhow::Result<&'a Value> {
    let mut levels = report["levels"].as_array().into_iter().flatten();
    let level = levels.find(|level| level["calls"] == calls).context("no such level")?;
    ensure!(level[recording].is_object(), "nothing was measured of {calls} calls");
    Ok(&level[recording])
}

fn p99(level: &Value, way: &str) -> anyhow::Result<f64> {
    number(&level[way], "p99")
}

fn number(value: &Value, name: &str) -> anyhow::Result<f64> {
    value[name].as_f64().with_context(|| format!("no {name}"))
}
