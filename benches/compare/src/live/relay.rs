//! What a second of a relayed call costs that is recorded in MP3, against its floor, the same relay, encoder and decoder with
//! nothing around them; and against a bot whose framework records.

use anyhow::ensure;
use std::process::Command;
use std::time::Duration;

use super::process::ServerProcess;
use super::talks::{Bots, Talks};
use super::{Live, median, recorded};
use crate::cpu::run as run_to_end;
use crate::figure::Figure;
use crate::peers::Peers;
use crate::report::Report;

/// How many calls callrec and the bare relay have.
const CALLS: usize = 100;
/// How many calls the framework's bot can have in time.
const PEER_CALLS: usize = 10;
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
    let [ours, relay, codec] = [ours, relay, codec].map(median);
    let what = format!("A second of a relayed call, recorded in MP3: {CALLS} calls");
    let peer = "actix relay + LAME + symphonia, bare";
    report.add(Figure::each(&what, peer, [ours, relay + codec], "ms").at_most(1.25));
    report.note(format!(
        "Of the relay's floor, {relay:.2} ms of each second are an actix-ws server that passes messages between provider and bot, \
         and {codec:.2} ms the encoder and the decoder of the file, run by themselves on the same speech. Provider and bot are one \
         process; the bot answers each message with one of its own."
    ));
    Ok(())
}

/// Against pipecat, with its recorder and without.
pub(super) fn against_pipecat(live: &Live<'_>, peers: &Peers, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("pipecat", 5);
    let [mut ours, mut relay, mut codec, mut recorder, mut plain] = [const { Vec::new() }; 5];
    for _ in 0..live.bench.runs {
        ours.push(callrec(live, PEER_CALLS)?);
        told.inc(1);
        relay.push(bare(live, PEER_CALLS)?);
        told.inc(1);
        codec.push(encoder_and_decoder(live)?);
        told.inc(1);
        recorder.push(pipecat(live, peers, &["record"])?);
        told.inc(1);
        plain.push(pipecat(live, peers, &[])?);
        told.inc(1);
    }
    told.finish_and_clear();
    let [ours, relay, codec, recorder, plain] = [ours, relay, codec, recorder, plain].map(median);
    let what = format!("A second of a relayed call, recorded in MP3: {PEER_CALLS} calls");
    let peer = "a pipecat bot that records its call in memory";
    report.add(Figure::each(&what, peer, [ours, recorder], "ms").at_most(0.20));
    let floor = format!("The floor of that: actix relay + LAME + symphonia, bare: {PEER_CALLS} calls");
    report.add(Figure::each(&floor, peer, [relay + codec, recorder], "ms"));
    report.add(Figure::each(&what, "the same bot without its recorder", [ours, plain], "ms"));
    Ok(())
}

fn callrec(live: &Live<'_>, count: usize) -> anyhow::Result<f64> {
    let recordings = live.work.join("live");
    let bots = Bots::listen(&live.answers)?;
    let settings = [("BOT_URL", bots.url.as_str()), ("DEFAULT_AUDIO_FORMAT", "mp3"), ("MP3_BITRATE", "128k")];
    let server = live.callrec(&recordings, &settings)?;
    let mut talks = Talks::open(server.address, count, &live.payloads, Some(bots))?;
    let cost = measure(live, &server, &mut talks, count)?;
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

fn pipecat(live: &Live<'_>, peers: &Peers, arguments: &[&str]) -> anyhow::Result<f64> {
    let script = live.work.join("pipecat_bot.py");
    std::fs::write(&script, include_str!("../../peers/pipecat_bot.py"))?;
    let server = live.start(Command::new(peers.python()).arg(script).args(arguments))?;
    let mut talks = Talks::open(server.address, PEER_CALLS, &live.payloads, None)?;
    measure(live, &server, &mut talks, PEER_CALLS)
}

/// Milliseconds of CPU for a second of a call, while the calls go on.
fn measure(live: &Live<'_>, server: &ServerProcess, talks: &mut Talks, count: usize) -> anyhow::Result<f64> {
    talks.go_on(live.warm_up())?;
    let before = (server.used()?, talks.heard_ms());
    talks.go_on(live.window)?;
    let used = server.used()?.since(&before.0).all();
    let heard = Duration::from_millis(talks.heard_ms() - before.1);
    let seconds = live.window.as_secs_f64() * count as f64;
    ensure!(
        heard.as_secs_f64() >= KEEPS_UP * seconds,
        "the server does not keep up: {:.1} s were heard of {seconds:.1} s",
        heard.as_secs_f64()
    );
    Ok(used.as_secs_f64() * 1e3 / seconds)
}

/// Milliseconds of CPU for a second of a call, of the encoder and of the decoder of what it wrote.
fn encoder_and_decoder(live: &Live<'_>) -> anyhow::Result<f64> {
    let (this, out) = (std::env::current_exe()?, live.work.join("floor.mp3"));
    let encoding =
        run_to_end(Command::new(&this).arg("ours").args(&live.material.sides).arg(&out).args(MP3))?;
    let decoding = run_to_end(Command::new(&this).arg("decode").arg(&out))?;
    let seconds = live.material.minutes as f64 * 60.0;
    Ok((encoding.cpu + decoding.cpu).as_secs_f64() * 1e3 / seconds)
}
