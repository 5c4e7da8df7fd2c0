//! What a message costs a server that records it, against one that drops it: many one-way calls, paced and as fast as can be.

use anyhow::{bail, ensure};
use std::process::Command;
use std::time::Duration;

use super::calls::Calls;
use super::process::ServerProcess;
use super::{Live, median, recorded, timeline};
use crate::figure::Figure;
use crate::peers::Peers;
use crate::report::Report;

/// How many calls there are.
const CALLS: usize = 1_000;
/// How long it is tried how many calls a server can have.
pub(super) const TRIED: Duration = Duration::from_secs(4);
/// The share of its processor beyond which a server has nothing left for a busy moment.
pub(super) const BUSY: f64 = 0.85;

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// 50 a second in each call.
    Clock,
    /// As fast as they are read.
    Flood,
}

/// CPU time of a message, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerMessage {
    /// Of everything that the server does.
    pub(super) whole: f64,
    /// Of everything but encoding.
    pub(super) ingest: f64,
    /// How many messages were read in a second.
    rate: f64,
}

/// Measures it and adds the figures.
pub(super) fn run(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let timeline = timeline_us(live)?;
    for (pace, how) in [(Pace::Clock, "paced"), (Pace::Flood, "as fast as they are read")] {
        let [mut ours, mut whole, mut theirs] = [const { Vec::new() }; 3];
        let mut rates = [0.0; 2];
        let told = live.bench.progress(&format!("ingest, {how}"), 2);
        for _ in 0..live.bench.runs {
            let cost = callrec(live, CALLS, pace)?;
            ours.push(cost.ingest + timeline);
            whole.push(cost.whole);
            rates[0] = cost.rate;
            told.inc(1);
            let cost = bare(live, CALLS, pace)?;
            theirs.push(cost.whole);
            rates[1] = cost.rate;
            told.inc(1);
        }
        told.finish_and_clear();
        let [ours, whole, theirs] = [ours, whole, theirs].map(median);
        let what = format!("Ingest of a message, {CALLS} calls {how}: parse, timeline, journal");
        report.add(Figure::each(&what, "actix-ws that drops it", [ours, theirs], "µs").at_most(1.25));
        let what = format!("The same, {how}, with everything else that the server does: FLAC files");
        report.add(Figure::each(&what, "actix-ws that drops it", [whole, theirs], "µs"));
        if pace == Pace::Flood {
            let [ours, theirs] = rates.map(|rate| rate / 1e3);
            report.note(format!(
                "As fast as they are read was {ours:.0} thousand messages a second for callrec, and {theirs:.0} thousand for actix-ws \
                 alone. Each was sent by itself, to all calls in turns."
            ));
        }
    }
    report.note(format!(
        "Ingest is everything that callrec's process does but its threads that turn journals into files, and on top \
         of it what these need to put a message on the timeline, {timeline:.2} µs, measured by itself."
    ));
    Ok(())
}

/// Against servers that decode and append, as most bots that record do.
pub(super) fn against_peers(live: &Live<'_>, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    let timeline = timeline_us(live)?;
    let node = || {
        let mut node = Command::new("node");
        node.arg(live.work.join("node_ws.mjs"));
        node
    };
    let fastapi = || {
        let mut fastapi = Command::new(peers.python());
        fastapi.arg(live.work.join("fastapi_ws.py"));
        fastapi
    };
    std::fs::write(live.work.join("node_ws.mjs"), include_str!("../../peers/node_ws.mjs"))?;
    std::fs::write(live.work.join("fastapi_ws.py"), include_str!("../../peers/fastapi_ws.py"))?;
    against(live, report, timeline, ("Node ws: JSON.parse, decode, append", &node, 0.60))?;
    against(live, report, timeline, ("FastAPI: json, audioop, append", &fastapi, 0.25))
}

/// Against one of them, with as many calls as it can have in time.
fn against(
    live: &Live<'_>,
    report: &mut Report,
    timeline: f64,
    (peer, command, target): (&str, &dyn Fn() -> Command, f64),
) -> anyhow::Result<()> {
    let count = most_calls(live, command)?;
    let told = live.bench.progress(peer, 3);
    let [mut ours, mut floor, mut theirs] = [const { Vec::new() }; 3];
    for _ in 0..live.bench.runs {
        ours.push(callrec(live, count, Pace::Clock)?.ingest + timeline);
        told.inc(1);
        floor.push(bare(live, count, Pace::Clock)?.whole);
        told.inc(1);
        theirs.push(other(live, &mut command(), count)?.whole);
        told.inc(1);
    }
    told.finish_and_clear();
    let [ours, floor, theirs] = [ours, floor, theirs].map(median);
    let what = format!("Ingest of a message, {count} calls paced");
    report.add(Figure::each(&what, peer, [ours, theirs], "µs").at_most(target));
    let what = format!("The floor of that: actix-ws that drops it, {count} calls paced");
    report.add(Figure::each(&what, peer, [floor, theirs], "µs"));
    if count < CALLS {
        report
            .note(format!("{peer}: one processor is not enough for {CALLS} calls; both sides have {count}."));
    }
    Ok(())
}

/// With how many calls a server keeps up, and has something left.
fn most_calls(live: &Live<'_>, command: &dyn Fn() -> Command) -> anyhow::Result<usize> {
    for count in [CALLS, CALLS / 2, CALLS / 4, CALLS / 10] {
        let server = live.start(&mut command())?;
        let mut calls = Calls::open(server.address, count, &live.payloads)?;
        calls.pace(TRIED / 2)?;
        let before = (calls.mark()?, server.used()?);
        calls.pace(TRIED)?;
        let (read, used) = (calls.mark()?.since(&before.0)?, server.used()?.since(&before.1));
        if read.is_all_of(count) && used.all() < TRIED.mul_f64(BUSY) {
            return Ok(count);
        }
    }
    bail!("a peer cannot have {} calls", CALLS / 10)
}

/// What a message costs on the timeline.
fn timeline_us(live: &Live<'_>) -> anyhow::Result<f64> {
    let runs = (0..live.bench.runs).map(|_| timeline::per_message(live.work, CALLS, &live.codes));
    let runs: Vec<f64> = runs.map(|run| run.map(micros)).collect::<anyhow::Result<_>>()?;
    Ok(median(runs))
}

/// callrec records so many calls, and is asked afterwards whether it did.
pub(super) fn callrec(live: &Live<'_>, count: usize, pace: Pace) -> anyhow::Result<PerMessage> {
    let recordings = live.work.join("live");
    let server = live.callrec(&recordings, &[("DEFAULT_AUDIO_FORMAT", "flac")])?;
    let mut calls = Calls::open(server.address, count, &live.payloads)?;
    let cost = measure(live, &server, &mut calls, count, pace)?;
    recorded::check(&server, &recordings, &calls.hang_up()?)?;
    server.end()?;
    std::fs::remove_dir_all(recordings)?;
    Ok(cost)
}

fn bare(live: &Live<'_>, count: usize, pace: Pace) -> anyhow::Result<PerMessage> {
    let server = live.bare(&[])?;
    let mut calls = Calls::open(server.address, count, &live.payloads)?;
    let cost = measure(live, &server, &mut calls, count, pace)?;
    calls.hang_up()?;
    Ok(cost)
}

fn other(live: &Live<'_>, command: &mut Command, count: usize) -> anyhow::Result<PerMessage> {
    let server = live.start(command)?;
    let mut calls = Calls::open(server.address, count, &live.payloads)?;
    measure(live, &server, &mut calls, count, Pace::Clock)
}

/// What a message costs while the calls go on.
fn measure(
    live: &Live<'_>,
    server: &ServerProcess,
    calls: &mut Calls,
    count: usize,
    pace: Pace,
) -> anyhow::Result<PerMessage> {
    let send = |calls: &mut Calls, during| match pace {
        Pace::Clock => calls.pace(during),
        Pace::Flood => calls.flood(during),
    };
    send(calls, live.warm_up())?;
    let before = (calls.mark()?, server.used()?);
    send(calls, live.window)?;
    let (read, used) = (calls.mark()?.since(&before.0)?, server.used()?.since(&before.1));
    ensure!(
        pace == Pace::Flood || read.is_all_of(count),
        "{count} calls are too many for the server, or for this machine: {:.0} messages were read in {:?}",
        read.messages,
        read.during
    );
    Ok(PerMessage {
        whole: micros(used.all()) / read.messages,
        ingest: micros(used.all().saturating_sub(used.encode)) / read.messages,
        rate: read.messages / read.during.as_secs_f64(),
    })
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
