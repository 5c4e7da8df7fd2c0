//! What a call's length costs: a minute of a relayed call of two hours beside one of a call of a minute, and the memory of such a call.

mod relayed;

use anyhow::Context as _;
use serde_json::Value;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::Mutex;
use std::thread;

use self::relayed::{FASTEST, Relayed};
use super::messages::{MESSAGES_A_MINUTE, sid};
use super::{Live, MP3, recorded};

use crate::figure::Figure;
use crate::report::Report;
use crate::runs::median;

/// So many calls go on side by side.
const LANES: usize = 4;
/// Minutes of a long call, and how many short ones are made instead.
const MINUTES: u64 = 120;
/// The minutes in which memory is looked at: once buffers have had their first bursts, and at the end.
const YOUNG: Range<usize> = 6..12;
const OLD: Range<usize> = 108..120;
/// The speech is an hour long, so that both hours say the same.
const HOURS: [Range<usize>; 2] = [0..60, 60..120];

/// What recording costs: long calls against as many minutes of short ones.
pub(super) fn run(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("length", 2);
    let [mut long, mut short, mut young, mut old, mut first, mut second] = [const { Vec::new() }; 6];
    for _ in 0..live.bench.runs {
        let recorded = record(live, 1, MINUTES)?;
        long.push(recorded.ms_a_minute);
        young.push(recorded.memory_in(YOUNG)?);
        old.push(recorded.memory_in(OLD)?);
        first.push(recorded.ms_a_minute_in(HOURS[0].clone())?);
        second.push(recorded.ms_a_minute_in(HOURS[1].clone())?);
        told.inc(1);
        short.push(record(live, MINUTES as usize, 1)?.ms_a_minute);
        told.inc(1);
    }
    told.finish_and_clear();
    let what = format!("A minute of a relayed call of {MINUTES} minutes, recorded in MP3");
    let peer = format!("callrec, {MINUTES} calls of a minute");
    report.add(Figure::in_turns(&what, &peer, [&long, &short], "ms").at_most(1.10));
    let what = "A minute of such calls in their second hour";
    let peer = "callrec, in their first, in which the same was said";
    report.add(Figure::in_turns(what, peer, [&second, &first], "ms").at_most(1.10));
    let what = format!(
        "Resident memory of {LANES} relayed calls, recorded in MP3, {} to {} minutes old",
        OLD.start, OLD.end
    );
    let peer = format!("callrec, the same calls {} to {} minutes old", YOUNG.start, YOUNG.end);
    let [old_kb, young_kb] = [&old, &young].map(|runs| median(runs) / 1e3);
    report.add(Figure::ratio(&what, &peer, old_kb / young_kb, 1.02).over([&old, &young]));
    report.note(format!(
        "Of {MINUTES} minutes one after another, in one call or in many, {LANES} at a time, is counted all that the server does until the \
         last summary is written; memory is what is resident beyond what was before the first call, {old_kb:.0} kB in the end, with \
         threads and code that had not run. Calls are relayed as fast as the server goes, {FASTEST} times as fast as time at most: the bot \
         answers each message, and what the caller says next follows once the answer has come. The provider plays by the call's clock \
         and returns the bot's marks, one every 60 ms of it, so that all that the bot says is in the recording, where it was heard."
    ));
    Ok(())
}

/// What calls that went on side by side took.
struct Recorded {
    /// CPU time for a minute of a call, in milliseconds.
    ms_a_minute: f64,
    /// At each minute that calls grew older by.
    looks: Vec<Look>,
}

/// What the server has, and has taken, at some time.
#[derive(Clone, Copy)]
struct Look {
    /// Bytes that are resident beyond those before the first call.
    memory: f64,
    /// CPU time, in milliseconds.
    used_ms: f64,
}

impl Recorded {
    fn memory_in(&self, minutes: Range<usize>) -> anyhow::Result<f64> {
        let looks = self.looks.get(minutes).context("the calls were shorter")?;
        Ok(median(&looks.iter().map(|look| look.memory).collect::<Vec<_>>()))
    }

    /// CPU time for a minute of each call, in milliseconds.
    fn ms_a_minute_in(&self, minutes: Range<usize>) -> anyhow::Result<f64> {
        let used = |minute: usize| match minute.checked_sub(1) {
            None => Some(0.0),
            Some(last) => self.looks.get(last).map(|look| look.used_ms),
        };
        let (from, until) = used(minutes.start).zip(used(minutes.end)).context("the calls were shorter")?;
        Ok((until - from) / (minutes.len() * LANES) as f64)
    }
}

/// Has so many calls of so many minutes recorded, one after another in each lane.
fn record(live: &Live<'_>, calls: usize, minutes: u64) -> anyhow::Result<Recorded> {
    let recordings = live.work.join("live");
    let bots = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("ws://{}/", bots.local_addr()?);
    let server = live.callrec(&recordings, &[&MP3[..], &[("BOT_URL", &url)]].concat())?;
    let (before, idle) = (server.used()?, server.memory()?);
    let messages = minutes * MESSAGES_A_MINUTE;
    let (looks, bots) = (Mutex::new((0, Vec::new())), Mutex::new(bots));
    // Whenever as many minutes are over, in all lanes together, as there are lanes.
    let look = || -> anyhow::Result<()> {
        let (over, looks) = &mut *looks.lock().map_err(|_| anyhow::anyhow!("a look failed"))?;
        *over += 1;
        if *over % LANES == 0 {
            let used_ms = server.used()?.since(&before).all().as_secs_f64() * 1e3;
            looks.push(Look { memory: server.memory()? as f64 - idle as f64, used_ms });
        }
        Ok(())
    };
    let talk = |lane: usize| -> anyhow::Result<Vec<[u64; 2]>> {
        let numbers = (0..calls).map(|call| lane * calls + call);
        numbers
            .map(|number| {
                let mut call = Relayed::open(server.address, &bots, number, &live.payloads)?;
                for minute in 0..minutes {
                    call.talk(minute * MESSAGES_A_MINUTE..(minute + 1) * MESSAGES_A_MINUTE, &live.answers)?;
                    look()?;
                }
                call.hang_up()?;
                Ok([messages; 2])
            })
            .collect()
    };
    let sent = thread::scope(|scope| {
        let talk = &talk;
        let lanes: Vec<_> = (0..LANES).map(|lane| scope.spawn(move || talk(lane))).collect();
        let lanes =
            lanes.into_iter().map(|lane| lane.join().map_err(|_| anyhow::anyhow!("a lane broke down"))?);
        lanes.collect::<anyhow::Result<Vec<_>>>()
    })?
    .concat();
    recorded::check(&server, &recordings, &sent)?;
    let used = server.used()?.since(&before).all();
    for number in 0..sent.len() {
        let summary = std::fs::read(recordings.join(format!("call_{}_summary.json", sid("CA", number))))?;
        relayed::check(&serde_json::from_slice::<Value>(&summary)?)
            .with_context(|| format!("call {number}"))?;
    }
    server.end()?;
    std::fs::remove_dir_all(recordings)?;
    let ms_a_minute = used.as_secs_f64() * 1e3 / (sent.len() as u64 * minutes) as f64;
    let (_, looks) = looks.into_inner().map_err(|_| anyhow::anyhow!("a look failed"))?;
    Ok(Recorded { ms_a_minute, looks })
}
