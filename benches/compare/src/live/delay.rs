//! What recording adds to the way of a message through a server that is well loaded, by the load generator.

use super::generator::{Generator, level, number, p99};
use crate::cpu::Bench;
use crate::figure::Figure;
use crate::report::Report;

/// The most calls there are.
const MOST: u64 = 250;
/// The load at which delays are looked at, in percent of the server's processor.
const LOAD: f64 = 70.0;
/// So near it is to be, after as many tries of so many seconds.
const NEAR: f64 = 3.0;
const TRIES: u32 = 4;
const TRIED: u64 = 20;

/// Measures it and adds the figures. Nothing of this process may be bound to a processor yet.
pub(super) fn run(bench: &Bench<'_>, generator: &Generator<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = bench.progress("delay", 1);
    let calls = calls_at_load(generator)?;
    let this = std::env::current_exe()?.to_string_lossy().into_owned();
    let loaded = generator.run(bench.runs, &calls.to_string(), &["alternate", "--bare", &this])?;
    let (on, off) = (level(&loaded, calls, "recording")?, level(&loaded, calls, "without")?);
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
    let bare = level(&loaded, calls, "bare")?;
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
    told.finish_and_clear();
    Ok(())
}

/// How many calls keep the server's processor as busy as [`LOAD`]. That does not follow from how busy others keep it: few cost more,
/// each of them, and where there is too much to do some of it is put off.
fn calls_at_load(generator: &Generator<'_>) -> anyhow::Result<u64> {
    let tried = Generator { seconds: generator.seconds.min(TRIED), ..*generator };
    let mut calls = (MOST as f64 * LOAD / 100.0).round() as u64;
    for _ in 0..TRIES {
        let found = tried.run(1, &calls.to_string(), &["on"])?;
        let percent = number(level(&found, calls, "recording")?, "server_percent")?;
        if (percent - LOAD).abs() <= NEAR {
            break;
        }
        calls = (calls as f64 * LOAD / percent).round().clamp(1.0, MOST as f64) as u64;
    }
    Ok(calls)
}
