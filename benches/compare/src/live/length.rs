//! What a call's length costs: a minute of a relayed call of two hours beside one of a call of a minute; and the wait for the recording of a
//! call of an hour beside that of a call of a minute.

mod relayed;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::messages::{FRAME_MS, sid};
use super::process::ServerProcess;
use super::{Live, median, recorded};
use crate::figure::Figure;
use crate::report::Report;
use callrec_simulator::Luck;

/// Minutes of the long call, and how many short ones are made instead.
const MINUTES: u64 = 120;
const MESSAGES_A_MINUTE: u64 = 60_000 / FRAME_MS;
const MP3: [(&str, &str); 2] = [("DEFAULT_AUDIO_FORMAT", "mp3"), ("MP3_BITRATE", "128k")];
/// Bytes of that in a second.
const MP3_BYTES: u64 = 16_000;

/// How many calls go on while others hang up.
const BESIDE: usize = 150;
/// How many calls of each length hang up in a run.
const HANG_UPS: usize = 10;
/// The lengths of calls that hang up, in minutes.
const LENGTHS: [u64; 2] = [60, 1];
/// A recording is as far as this behind a live call, or less, once it has caught up; in seconds.
const BEHIND: u64 = 10;
/// How long that, and a recording, may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long it is waited from there until the first hangs up: what was written all at once is on the disk then, as it is of a
/// call that took an hour.
const SETTLES: Duration = Duration::from_secs(10);
/// Between two calls that hang up, in milliseconds, drawn for each: at even distances all calls of a length would meet what the server
/// does each second, or none.
const APART_MS: (u64, u64) = (200, 1_200);
/// How long those beside go on between two looks whether they are to.
const BESIDE_FOR: Duration = Duration::from_millis(500);
/// What that is drawn from.
const SEED: u64 = 1;
/// Between two looks for a recording, and for what is due to be said.
const LOOKS: Duration = Duration::from_millis(1);
/// Between two looks how far all recordings have come.
const LOOKS_AT_ALL: Duration = Duration::from_millis(100);

/// What recording costs: one long call against as many minutes of short ones.
pub(super) fn cost(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
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
    report.add(Figure::each(&what, &peer, [median(long), median(short)], "ms").at_most(1.10));
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

/// How long a recording takes once a call has hung up, beside others.
pub(super) fn hang_up(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("hang-up", 1);
    let mut waits = [const { Vec::new() }; 2];
    let mut luck = Luck::new(SEED);
    for _ in 0..live.bench.runs {
        run(live, &mut luck, &mut waits)?;
        told.inc(1);
    }
    told.finish_and_clear();
    let [hour, minute] = waits.map(p99_ms);
    let what =
        format!("From hang-up to the recording's name, p99 beside {BESIDE} live calls: MP3 of an hour");
    report.add(Figure::absolute(&what, hour, "ms", 500.0));
    report.add(Figure::ratio(&what, "callrec, of a minute", hour / minute, 1.20));
    report.note(format!(
        "Of {} calls of each length that hung up, one after another in turns, {} to {} ms apart. What they said before was sent as fast as it was read, and \
         they hung up once their recordings had caught up and another {} s had passed. {BESIDE} one-way calls went on beside.",
        HANG_UPS as u64 * live.bench.runs,
        APART_MS.0,
        APART_MS.1,
        SETTLES.as_secs()
    ));
    Ok(())
}

fn run(live: &Live<'_>, luck: &mut Luck, waits: &mut [Vec<Duration>; 2]) -> anyhow::Result<()> {
    let recordings = live.work.join("live");
    let server = live.callrec(&recordings, &MP3)?;
    let mut beside = Calls::open(server.address, BESIDE, &live.payloads)?;
    let waiting = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let going_on = scope.spawn(|| {
            while !is_over.load(Relaxed) {
                beside.pace(BESIDE_FOR)?;
            }
            beside.hang_up()
        });
        let speaking = scope.spawn(|| {
            while !is_over.load(Relaxed) {
                speak(&waiting)?;
                std::thread::sleep(LOOKS);
            }
            anyhow::Ok(())
        });
        let waited = wait(live, luck, &server, &recordings, &waiting, waits);
        is_over.store(true, Relaxed);
        let broke = |_| anyhow::anyhow!("a thread broke");
        speaking.join().map_err(broke)??;
        let _ = going_on.join().map_err(broke)??;
        waited
    })?;
    server.end()?;
    Ok(std::fs::remove_dir_all(recordings)?)
}

/// A call that will hang up.
#[derive(Debug)]
struct Waiting {
    number: usize,
    /// Which of the lengths it has.
    length: usize,
    call: Calls,
}

/// Has all that wait say what is due, as telephones do: who says nothing for longer than a recording is behind, and then all at once,
/// sends what comes too late, and his recording is made again.
fn speak(waiting: &Mutex<Vec<Waiting>>) -> anyhow::Result<()> {
    lock(waiting).iter_mut().try_for_each(|waiting| waiting.call.pace(LOOKS))
}

fn lock(waiting: &Mutex<Vec<Waiting>>) -> MutexGuard<'_, Vec<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(
    live: &Live<'_>,
    luck: &mut Luck,
    server: &ServerProcess,
    recordings: &Path,
    waiting: &Mutex<Vec<Waiting>>,
    waits: &mut [Vec<Duration>; 2],
) -> anyhow::Result<()> {
    for number in BESIDE..BESIDE + LENGTHS.len() * HANG_UPS {
        let mut call = Calls::open_numbers(server.address, number..number + 1, &live.payloads)?;
        let length = (number - BESIDE) % LENGTHS.len();
        call.say(LENGTHS[length] * MESSAGES_A_MINUTE)?;
        lock(waiting).push(Waiting { number, length, call });
    }
    let deadline = Instant::now() + PATIENCE;
    while !caught_up(recordings, &lock(waiting))? {
        ensure!(Instant::now() < deadline, "the recordings do not catch up: {}", server.said());
        std::thread::sleep(LOOKS_AT_ALL);
    }
    std::thread::sleep(SETTLES);
    loop {
        let mut those = lock(waiting);
        if those.is_empty() {
            return Ok(());
        }
        let Waiting { number, length, mut call } = those.remove(0);
        drop(those);
        let file = recordings.join(format!("call_{}_conversation.mp3", sid("CA", number)));
        ensure!(!file.exists(), "{} is there before its call has ended", file.display());
        let hung_up = Instant::now();
        call.say_goodbye()?;
        while !file.exists() {
            ensure!(hung_up.elapsed() < PATIENCE, "{} does not come", file.display());
            std::thread::sleep(LOOKS);
        }
        waits[length].push(hung_up.elapsed());
        call.wait_for_goodbye()?;
        std::thread::sleep(Duration::from_millis(luck.between(APART_MS.0, APART_MS.1)));
    }
}

/// Whether every partial file has come as far as its call, but for the last seconds.
fn caught_up(recordings: &Path, calls: &[Waiting]) -> anyhow::Result<bool> {
    let mut partial = Vec::new();
    for entry in std::fs::read_dir(recordings.join(".journal"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".partial") {
            partial.push((name, entry.metadata().context("a partial file is gone")?.len()));
        }
    }
    Ok(calls.iter().all(|call| {
        let due = MP3_BYTES * (LENGTHS[call.length] * 60 - BEHIND);
        partial.iter().any(|(name, size)| name.contains(&sid("CA", call.number)) && *size >= due)
    }))
}

/// The nearest rank, in milliseconds.
fn p99_ms(mut waits: Vec<Duration>) -> f64 {
    waits.sort_unstable();
    waits[(waits.len() * 99).div_ceil(100) - 1].as_secs_f64() * 1e3
}
