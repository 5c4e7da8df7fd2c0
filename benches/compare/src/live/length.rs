//! What a call's length costs: a minute of a relayed call of two hours beside one of a call of a minute.

mod relayed;

use anyhow::Context as _;
use serde_json::Value;
use std::net::TcpListener;

use super::messages::{MESSAGES_A_MINUTE, sid};
use super::{Live, MP3, recorded};
use crate::figure::Figure;
use crate::report::Report;

/// Minutes of the long call, and how many short ones are made instead.
const MINUTES: u64 = 120;

/// What recording costs: one long call against as many minutes of short ones.
pub(super) fn run(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("length", 2);
    let [mut long, mut short] = [const { Vec::new() }; 2];
    for _ in 0..live.bench.runs {
        long.push(record(live, 1, MINUTES)?);
        told.inc(1);
        short.push(record(live, MINUTES as usize, 1)?);
        told.inc(1);
    }
    told.finish_and_clear();
    let what = format!("A minute of a relayed call of {MINUTES} minutes, recorded in MP3");
    let peer = format!("callrec, {MINUTES} calls of a minute");
    report.add(Figure::in_turns(&what, &peer, [&long, &short], "ms").at_most(1.10));
    report.note(format!(
        "Of the {MINUTES} minutes one after another, in one call or in many, is counted all that the server does until the last summary \
         is written. They are relayed as fast as the server goes: the bot answers each message, and what the caller says next follows \
         once the answer has come. The provider plays by the call's clock and returns the bot's marks, one every 60 ms of it, so that \
         all that the bot says is in the recording, where it was heard."
    ));
    Ok(())
}

/// Milliseconds of CPU for a minute.
fn record(live: &Live<'_>, calls: usize, minutes: u64) -> anyhow::Result<f64> {
    let recordings = live.work.join("live");
    let bots = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/", bots.local_addr()?);
    let server = live.callrec(&recordings, &[&MP3[..], &[("BOT_URL", &url)]].concat())?;
    let before = server.used()?;
    let (messages, payloads) = (minutes * MESSAGES_A_MINUTE, [&live.payloads, &live.answers]);
    let sent = (0..calls).map(|number| relayed::call(server.address, &bots, number, messages, payloads));
    let sent: Vec<_> = sent.collect::<anyhow::Result<_>>()?;
    recorded::check(&server, &recordings, &sent)?;
    let used = server.used()?.since(&before).all();
    for number in 0..calls {
        let summary = std::fs::read(recordings.join(format!("call_{}_summary.json", sid("CA", number))))?;
        relayed::check(&serde_json::from_slice::<Value>(&summary)?)
            .with_context(|| format!("call {number}"))?;
    }
    server.end()?;
    std::fs::remove_dir_all(recordings)?;
    Ok(used.as_secs_f64() * 1e3 / (calls as u64 * minutes) as f64)
}
