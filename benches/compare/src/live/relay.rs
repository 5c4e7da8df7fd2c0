//! What a second of a relayed call costs that is recorded in MP3, against its floor, the same relay, encoder and decoder with
//! nothing around them; and against a bot whose framework records.

use anyhow::{bail, ensure};
use std::process::Command;
use std::time::Duration;

use super::ingest::BUSY;
use super::process::ServerProcess;
use super::talks::{Bots, Talks};
use super::{Live, median, recorded};
use crate::cpu::run as run_to_end;
use crate::figure::Figure;
use crate::files::holds_the_call;
use crate::peers::Peers;
use crate::report::Report;

/// How many calls callrec and the bare relay have.
const CALLS: usize = 100;
/// How many calls the framework's bot may be able to have in time on its processor.
const PEER_CALLS: [usize; 5] = [50, 40, 30, 20, 10];
/// So many of callrec's leave as much of a processor, on a slow machine too.
const FULL: usize = 150;
/// The share of a processor beyond which callrec may put something off that its calls cost, and that is not measured then.
const NEARLY_ALL: f64 = 0.95;
/// Less than that of what callers were to hear means that a server does not keep up.
const KEEPS_UP: f64 = 0.95;
/// What is recorded: the default.
const MP3: [&str; 6] = ["--format", "mp3", "--rate", "16000", "--bitrate", "128k"];

/// Against the floor.
pub(super) fn against_floor(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("relay", 3);
    let [mut ours, mut relay, mut codec] = [const { Vec::new() }; 3];
    for _ in 0..live.bench.runs {
        ours.push(callrec(live, CALLS)?);
        told.inc(1);
        relay.push(bare(live, CALLS)?);
        told.inc(1);
        codec.push(encoder_and_decoder(live)?);
        told.inc(1);
    }
    told.finish_and_clear();
    let floor = sums(&relay, &codec);
    let what = format!("A second of a relayed call, recorded in MP3: {CALLS} calls");
    let peer = "actix relay + LAME + symphonia, bare";
    report.add(Figure::in_turns(&what, peer, [&ours, &floor], "ms").at_most(1.25));
    let [relay, codec] = [relay, codec].map(median);
    report.note(format!(
        "Of the relay's floor, {relay:.2} ms of each second are an actix-ws server that passes messages between provider and bot, \
         and {codec:.2} ms the encoder and the decoder of the file, run by themselves on the same speech. Provider and bot are one \
         process; the bot answers each message with one of its own."
    ));
    Ok(())
}

/// Against pipecat, with its recorder and without: each with a processor that has much to do, and both with the same calls.
pub(super) fn against_pipecat(live: &Live<'_>, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("pipecat", 7);
    let count = most_calls(live, peers)?;
    let [mut full, mut full_relay, mut ours, mut relay, mut codec, mut recorder, mut plain] =
        [const { Vec::new() }; 7];
    for _ in 0..live.bench.runs {
        full.push(callrec(live, FULL)?);
        told.inc(1);
        full_relay.push(bare(live, FULL)?);
        told.inc(1);
        ours.push(callrec(live, count)?);
        told.inc(1);
        relay.push(bare(live, count)?);
        told.inc(1);
        codec.push(encoder_and_decoder(live)?);
        told.inc(1);
        recorder.push(measure_pipecat(live, peers, &["record"], count)?);
        told.inc(1);
        plain.push(measure_pipecat(live, peers, &[], count)?);
        told.inc(1);
    }
    told.finish_and_clear();
    let peer = format!("a pipecat bot that records its call in memory: {count} calls");
    let recorded = |calls: usize| format!("A second of a relayed call, recorded in MP3: {calls} calls");
    for (calls, ours, relay) in [(FULL, &full, &full_relay), (count, &ours, &relay)] {
        report.add(Figure::in_turns(&recorded(calls), &peer, [ours, &recorder], "ms").at_most(0.20));
        let floor = format!("The floor of that: actix relay + LAME + symphonia, bare: {calls} calls");
        report.add(Figure::in_turns(&floor, &peer, [&sums(relay, &codec), &recorder], "ms"));
    }
    let peer = "the same bot without its recorder";
    report.add(Figure::in_turns(&recorded(count), peer, [&ours, &plain], "ms"));
    // Of a thousand milliseconds, in percent.
    let [full, recorder] =
        [median(full) * FULL as f64, median(recorder) * count as f64].map(|busy| busy / 10.0);
    report.note(format!(
        "Beside pipecat, whose bot keeps up with {count} calls on one processor and is busy for {recorder:.0} % of the time then, callrec \
         has {FULL} calls, which keep a processor busy for {full:.0} %; and as few as the bot has, where each message wakes a server \
         that sleeps, the bare one too."
    ));
    Ok(())
}

/// Of both together, run by run.
fn sums(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one + other).collect()
}

fn callrec(live: &Live<'_>, count: usize) -> anyhow::Result<f64> {
    let recordings = live.work.join("live");
    let bots = Bots::listen(&live.answers)?;
    let settings = [&super::MP3[..], &[("BOT_URL", bots.url.as_str())]].concat();
    let server = live.callrec(&recordings, &settings)?;
    let mut talks = Talks::open(server.address, count, &live.payloads, Some(bots))?;
    let cost = measure(live, &server, &mut talks, count)?;
    let busy = cost * count as f64 / 1e3;
    ensure!(
        busy < NEARLY_ALL,
        "{count} calls keep callrec's processor busy for {:.0} % of the time",
        busy * 100.0
    );
    recorded::check(&server, &recordings, &talks.hang_up()?)?;
    server.end()?;
    std::fs::remove_dir_all(recordings)?;
    Ok(cost)
}

fn bare(live: &Live<'_>, count: usize) -> anyhow::Result<f64> {
    let bots = Bots::listen(&live.answers)?;
    let server = live.bare(&["--bot", &bots.url])?;
    let mut talks = Talks::open(server.address, count, &live.payloads, Some(bots))?;
    let cost = measure(live, &server, &mut talks, count)?;
    talks.hang_up()?;
    Ok(cost)
}

fn pipecat(live: &Live<'_>, peers: &Peers, arguments: &[&str]) -> anyhow::Result<ServerProcess> {
    let script = live.work.join("pipecat_bot.py");
    std::fs::write(&script, include_str!("../../peers/pipecat_bot.py"))?;
    live.start(Command::new(peers.python()).arg(script).args(arguments))
}

fn measure_pipecat(live: &Live<'_>, peers: &Peers, arguments: &[&str], count: usize) -> anyhow::Result<f64> {
    let server = pipecat(live, peers, arguments)?;
    let mut talks = Talks::open(server.address, count, &live.payloads, None)?;
    measure(live, &server, &mut talks, count)
}

/// With how many calls pipecat's recorder keeps up, and has something left of its processor; for as long as is measured, since what it
/// keeps in memory grows.
fn most_calls(live: &Live<'_>, peers: &Peers) -> anyhow::Result<usize> {
    for count in PEER_CALLS {
        let server = pipecat(live, peers, &["record"])?;
        let mut talks = Talks::open(server.address, count, &live.payloads, None)?;
        let over = go_on(live, &server, &mut talks)?;
        if over.is_heard(count) && over.used < over.window.mul_f64(BUSY) {
            return Ok(count);
        }
    }
    bail!("pipecat cannot have {} calls", PEER_CALLS[PEER_CALLS.len() - 1])
}

/// Milliseconds of CPU for a second of a call, while the calls go on.
fn measure(live: &Live<'_>, server: &ServerProcess, talks: &mut Talks, count: usize) -> anyhow::Result<f64> {
    let over = go_on(live, server, talks)?;
    let seconds = over.window.as_secs_f64() * count as f64;
    ensure!(
        over.is_heard(count),
        "the server does not keep up: {:.1} s were heard of {seconds:.1} s",
        over.heard.as_secs_f64()
    );
    Ok(over.used.as_secs_f64() * 1e3 / seconds)
}

/// What came of calls that went on for so long.
struct Over {
    window: Duration,
    /// CPU time of the server.
    used: Duration,
    /// What all callers heard.
    heard: Duration,
}

impl Over {
    /// Whether so many callers heard enough of what they were to.
    fn is_heard(&self, count: usize) -> bool {
        self.heard.as_secs_f64() >= KEEPS_UP * self.window.as_secs_f64() * count as f64
    }
}

/// Has the calls go on for as long as is measured, once they are warm.
fn go_on(live: &Live<'_>, server: &ServerProcess, talks: &mut Talks) -> anyhow::Result<Over> {
    let window = live.window;
    talks.go_on(live.warm_up())?;
    let before = (server.used()?, talks.heard_ms());
    talks.go_on(window)?;
    let used = server.used()?.since(&before.0).all();
    Ok(Over { window, used, heard: Duration::from_millis(talks.heard_ms() - before.1) })
}

/// Milliseconds of CPU for a second of a call, of the encoder and of the decoder of what it wrote.
fn encoder_and_decoder(live: &Live<'_>) -> anyhow::Result<f64> {
    let (this, out) = (std::env::current_exe()?, live.work.join("floor.mp3"));
    let encoding =
        run_to_end(Command::new(&this).arg("ours").args(&live.material.sides).arg(&out).args(MP3))?;
    holds_the_call(live.material, &out)?;
    let decoding = run_to_end(Command::new(&this).arg("decode").arg(&out))?;
    let seconds = live.material.minutes as f64 * 60.0;
    Ok((encoding.cpu + decoding.cpu).as_secs_f64() * 1e3 / seconds)
}
