//! What a message costs a server that records it, against one that drops it: many one-way calls, paced and as fast as can be.

use anyhow::{bail, ensure};
use rustix::time::{ClockId, clock_gettime};
use std::process::Command;
use std::time::Duration;

use super::calls::Calls;
use super::process::ServerProcess;
use super::{Live, median, recorded, timeline};
use crate::figure::Figure;
use crate::peers::Peers;
use crate::report::Report;

/// How many calls there are.
pub(super) const CALLS: usize = 1_000;
/// How long it is tried how many calls a server can have.
const TRIED: Duration = Duration::from_secs(4);
/// The share of its processor beyond which a server has nothing left for a busy moment.
pub(super) const BUSY: f64 = 0.85;

/// The bare server.
const DROPS: &str = "actix-ws that drops it";
/// The same that reads as callrec does.
const DROPS_SEVERAL: &str = "actix-ws that drops it, read several at a time as by callrec";
const GATHER: [&str; 1] = ["--gather"];

/// How messages come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// 50 a second in each call.
    Clock,
    /// As fast as they are read.
    Flood,
}

/// What a server did, of which CPU times are of a message, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    /// Of everything that the server does.
    pub(super) whole: f64,
    /// Of everything but encoding.
    pub(super) ingest: f64,
    /// How many messages were read in a second.
    rate: f64,
    /// Of the time, how much a processor was busy: with the server, and with what called it.
    busy: [f64; 2],
}

/// Measures it and adds the figures.
pub(super) fn run(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let timeline = timeline_us(live)?;
    paced(live, timeline, report)?;
    flooded(live, timeline, report)?;
    report.note(format!(
        "Ingest is everything that callrec's process does but its threads that turn journals into files, and on top \
         of it what these need to put a message on the timeline, {timeline:.2} µs, measured by itself."
    ));
    Ok(())
}

fn paced(live: &Live<'_>, timeline: f64, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("ingest, paced", 3);
    let [mut ours, mut single, mut several] = [const { Vec::new() }; 3];
    for _ in 0..live.bench.runs {
        ours.push(callrec(live, CALLS, Pace::Clock)?);
        told.inc(1);
        single.push(bare(live, CALLS, Pace::Clock, &[])?);
        told.inc(1);
        several.push(bare(live, CALLS, Pace::Clock, &GATHER)?);
        told.inc(1);
    }
    told.finish_and_clear();
    let whole = |costs: &[Cost]| of(costs, |cost| cost.whole);
    let (everything, single, several) = (whole(&ours), whole(&single), whole(&several));
    let ours = of(&ours, |cost| cost.ingest + timeline);
    let what = format!("Ingest of a message, {CALLS} calls paced: parse, timeline, journal");
    report.add(Figure::in_turns(&what, DROPS, [&ours, &single], "µs").at_most(1.25));
    report.add(Figure::in_turns(&what, DROPS_SEVERAL, [&ours, &several], "µs"));
    let what = "The same, paced, with everything else that the server does: FLAC files";
    report.add(Figure::in_turns(what, DROPS, [&everything, &single], "µs"));
    report.note(
        "Of streams that are one-way, callrec reads several messages each time that it is woken, and actix-ws by itself each as it comes. \
         What of the paced figure is due to that, the row tells in which the bare server reads as callrec does."
            .to_owned(),
    );
    Ok(())
}

fn flooded(live: &Live<'_>, timeline: f64, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("ingest, as fast as they are read", 3);
    let [mut ours, mut theirs, mut several] = [const { Vec::new() }; 3];
    for _ in 0..live.bench.runs {
        ours.push(callrec(live, CALLS, Pace::Flood)?);
        told.inc(1);
        theirs.push(bare(live, CALLS, Pace::Flood, &[])?);
        told.inc(1);
        several.push(bare(live, CALLS, Pace::Flood, &GATHER)?);
        told.inc(1);
    }
    told.finish_and_clear();
    // Without what encodes: most of that is left to be done when the flood is over.
    let cost = of(&ours, |cost| cost.ingest + timeline);
    let [single, gathered] = [&theirs, &several].map(|bare| of(bare, |cost| cost.whole));
    let what =
        format!("Ingest of a message, {CALLS} calls as fast as they are read: parse, timeline, journal");
    report.add(Figure::in_turns(&what, DROPS, [&cost, &single], "µs").at_most(1.25));
    report.add(Figure::in_turns(&what, DROPS_SEVERAL, [&cost, &gathered], "µs"));
    let [ours, theirs, several] = [ours, theirs, several].map(|costs| {
        let thousands = median(of(&costs, |cost| cost.rate / 1e3));
        let [server, calls] = [0, 1].map(|side| median(of(&costs, |cost| cost.busy[side] * 100.0)));
        (
            thousands,
            format!(
                "its processor was busy for {server:.0} % of the time, and its callers' for {calls:.0} %"
            ),
        )
    });
    report.note(format!(
        "As fast as they are read was {:.0} thousand messages a second for callrec ({}), {:.0} thousand for actix-ws alone ({}), and {:.0} \
         thousand for actix-ws where it reads several at a time ({}). Each was sent by itself, to all calls in turns.",
        ours.0, ours.1, theirs.0, theirs.1, several.0, several.1
    ));
    Ok(())
}

/// Something of each run.
fn of(costs: &[Cost], what: impl Fn(&Cost) -> f64) -> Vec<f64> {
    costs.iter().map(what).collect()
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
        floor.push(bare(live, count, Pace::Clock, &GATHER)?.whole);
        told.inc(1);
        theirs.push(other(live, &mut command(), count)?.whole);
        told.inc(1);
    }
    told.finish_and_clear();
    let what = format!("Ingest of a message, {count} calls paced");
    report.add(Figure::in_turns(&what, peer, [&ours, &theirs], "µs").at_most(target));
    let what = format!("The floor of that: {DROPS}, read several at a time, {count} calls paced");
    report.add(Figure::in_turns(&what, peer, [&floor, &theirs], "µs"));
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
pub(super) fn callrec(live: &Live<'_>, count: usize, pace: Pace) -> anyhow::Result<Cost> {
    let recordings = live.work.join("live");
    let server = live.callrec(&recordings, &[("DEFAULT_AUDIO_FORMAT", "flac")])?;
    let mut calls = Calls::open(server.address, count, &live.payloads)?;
    let cost = measure(live, &server, &mut calls, count, pace)?;
    recorded::check(&server, &recordings, &calls.hang_up()?)?;
    server.end()?;
    std::fs::remove_dir_all(recordings)?;
    Ok(cost)
}

fn bare(live: &Live<'_>, count: usize, pace: Pace, arguments: &[&str]) -> anyhow::Result<Cost> {
    let server = live.bare(arguments)?;
    let mut calls = Calls::open(server.address, count, &live.payloads)?;
    let cost = measure(live, &server, &mut calls, count, pace)?;
    calls.hang_up()?;
    Ok(cost)
}

fn other(live: &Live<'_>, command: &mut Command, count: usize) -> anyhow::Result<Cost> {
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
) -> anyhow::Result<Cost> {
    let send = |calls: &mut Calls, during| match pace {
        Pace::Clock => calls.pace(during),
        Pace::Flood => calls.flood(during),
    };
    send(calls, live.warm_up())?;
    let before = (calls.mark()?, server.used()?, own_cpu_time());
    send(calls, live.window)?;
    let (read, used) = (calls.mark()?.since(&before.0)?, server.used()?.since(&before.1));
    let own = own_cpu_time() - before.2;
    ensure!(read.messages > 0.0, "the server has read nothing");
    ensure!(
        pace == Pace::Flood || read.is_all_of(count),
        "{count} calls are too many for the server, or for this machine: {:.0} messages were read in {:?}",
        read.messages,
        read.during
    );
    Ok(Cost {
        whole: micros(used.all()) / read.messages,
        ingest: micros(used.all().saturating_sub(used.encode)) / read.messages,
        rate: read.messages / read.during.as_secs_f64(),
        busy: [used.all(), own].map(|busy| busy.as_secs_f64() / read.during.as_secs_f64()),
    })
}

/// Of this process, which is what calls the servers.
fn own_cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
