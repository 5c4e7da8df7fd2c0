//! How long a recording takes once its call has hung up, beside others that go on: after a call of an hour, and after one of a minute.

use anyhow::{Context as _, ensure};
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::calls::Calls;
use super::messages::{MESSAGES_A_MINUTE, sid};
use super::process::ServerProcess;
use super::{Live, MP3, median, recorded};
use crate::figure::Figure;
use crate::report::Report;
use callrec_simulator::Luck;

/// Bytes of a second of what is recorded.
const MP3_BYTES: u64 = 16_000;
/// How many calls go on while others hang up.
const BESIDE: usize = 150;
/// How many calls of each length hang up in a run.
const HANG_UPS: usize = 20;
/// The lengths of calls that hang up, in minutes.
const LENGTHS: [u64; 2] = [60, 1];
/// A recording is as far as this behind a live call, or less, once it has caught up; in seconds.
const BEHIND: u64 = 10;
/// How long that, and a recording, may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long it is waited from there until the first hangs up: what was written all at once is on the disk then, as it is of a
/// call that took an hour.
const SETTLES: Duration = Duration::from_secs(10);
/// Between a call that hangs up and what is next, in milliseconds, drawn for each: at even distances all calls of a length would meet
/// what the server does each second, or none.
const APART_MS: (u64, u64) = (200, 1_200);
/// How long those beside go on between two looks whether they are to.
const BESIDE_FOR: Duration = Duration::from_millis(500);
/// What that is drawn from.
const SEED: u64 = 1;
/// What of a recording and of its journal is not on the disk yet when a call hangs up: about what a second brings, in bytes.
const UNSYNCED: [usize; 2] = [MP3_BYTES as usize, 10_000];
/// Between two looks for a recording, and for what is due to be said.
const LOOKS: Duration = Duration::from_millis(1);
/// Between two looks how far all recordings have come.
const LOOKS_AT_ALL: Duration = Duration::from_millis(100);

/// How long a recording takes once a call has hung up, beside others.
pub(super) fn run(live: &Live<'_>, report: &mut Report) -> anyhow::Result<()> {
    let told = live.bench.progress("hang-up", 1);
    let mut luck = Luck::new(SEED);
    let (mut hung_up, mut disk_alone) = (Vec::new(), Vec::new());
    for _ in 0..live.bench.runs {
        let turns = hang_up(live, &mut luck)?;
        hung_up.extend(turns.hung_up);
        disk_alone.extend(turns.disk_alone);
        told.inc(1);
    }
    told.finish_and_clear();
    let what = |length| {
        format!("From hang-up to the recording's name, p99 beside {BESIDE} live calls: MP3 of {length}")
    };
    let [hour, minute] = [0, 1].map(|length| Waits::of(hung_up.iter().filter(|call| call.length == length)));
    let [disk_median, disk_p99, disk_most] = at([50, 99, 100], disk_alone);
    report.add(Figure::absolute(&what("an hour"), hour.p99, "ms", 500.0));
    report.add(Figure::absolute(&what("a minute"), minute.p99, "ms", 500.0));
    report.add(Figure::ratio(&what("an hour"), "callrec, of a minute", hour.p99 / minute.p99, 1.20));
    report.note(format!(
        "Of {} calls of each length that hung up in turns: of an hour {hour}; of a minute {minute}. What they said was sent as fast as \
         it was read at first, the minutes once the hours had been encoded, and then by the clock until they hung up; the first did when \
         all of them had been encoded but for their last {BEHIND} s. {BESIDE} one-way calls went on beside, and every recording was looked at afterwards. \
         None of them had a bot: where there is one, a recording waits for it to close as well, for two seconds at most, since it may \
         still tell what it said. Behind each of these calls, beside the same that went on, two files of a second's bytes were written, \
         one synced and then the other, as a recording and its journal are, and one renamed, by a program that did nothing else: that \
         took the disk {disk_median:.0} ms in the median, {disk_p99:.0} p99 and {disk_most:.0} at most. Between any two of all these \
         were {} to {} ms.",
        HANG_UPS as u64 * live.bench.runs,
        APART_MS.0,
        APART_MS.1,
    ));
    Ok(())
}

fn hang_up(live: &Live<'_>, luck: &mut Luck) -> anyhow::Result<Turns> {
    let recordings = live.work.join("live");
    let server = live.callrec(&recordings, &MP3)?;
    let mut beside = Calls::open(server.address, BESIDE, &live.payloads)?;
    let waiting = Mutex::new(Vec::new());
    let is_over = AtomicBool::new(false);
    let (mut sent, turns) = std::thread::scope(|scope| {
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
        let turns = speak_at_first(live, &server, &recordings, &waiting)
            .and_then(|()| in_turns(luck, &recordings, &waiting, live.work));
        is_over.store(true, Relaxed);
        let broke = |_| anyhow::anyhow!("a thread broke");
        speaking.join().map_err(broke)??;
        anyhow::Ok((going_on.join().map_err(broke)??, turns?))
    })?;
    sent.extend(by_number(&turns.hung_up).map(|call| [call.said, 0]));
    recorded::check(&server, &recordings, &sent)?;
    server.end()?;
    fs::remove_dir_all(recordings)?;
    Ok(turns)
}

/// A call that will hang up.
#[derive(Debug)]
struct Waiting {
    number: usize,
    /// Which of the lengths it has.
    length: usize,
    call: Calls,
}

/// One that has.
#[derive(Debug)]
struct HungUp {
    number: usize,
    length: usize,
    /// How long its recording took.
    wait: Duration,
    /// How many messages it had sent.
    said: u64,
}

/// What was waited for, in turns.
#[derive(Debug)]
struct Turns {
    hung_up: Vec<HungUp>,
    /// What the disk took by itself.
    disk_alone: Vec<Duration>,
}

fn by_number(hung_up: &[HungUp]) -> impl Iterator<Item = &HungUp> {
    let mut calls: Vec<_> = hung_up.iter().collect();
    calls.sort_unstable_by_key(|call| call.number);
    calls.into_iter()
}

/// Has all that wait say what is due, as telephones do: who says nothing for longer than a recording is behind, and then all at once,
/// sends what comes too late, and his recording is made again.
fn speak(waiting: &Mutex<Vec<Waiting>>) -> anyhow::Result<()> {
    lock(waiting).iter_mut().try_for_each(|waiting| waiting.call.pace(LOOKS))
}

fn lock(waiting: &Mutex<Vec<Waiting>>) -> MutexGuard<'_, Vec<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens them and has them say what makes their lengths: those that say least at last, for they go on by the clock meanwhile.
fn speak_at_first(
    live: &Live<'_>,
    server: &ServerProcess,
    recordings: &Path,
    waiting: &Mutex<Vec<Waiting>>,
) -> anyhow::Result<()> {
    for (length, minutes) in LENGTHS.into_iter().enumerate() {
        for number in numbers(length) {
            let mut call = Calls::open_numbers(server.address, number..number + 1, &live.payloads)?;
            call.say(minutes * MESSAGES_A_MINUTE)?;
            lock(waiting).push(Waiting { number, length, call });
        }
        let deadline = Instant::now() + PATIENCE;
        while !caught_up(recordings, &lock(waiting))? {
            ensure!(Instant::now() < deadline, "the recordings do not catch up: {}", server.said());
            std::thread::sleep(LOOKS_AT_ALL);
        }
    }
    std::thread::sleep(SETTLES);
    Ok(())
}

/// The numbers of the calls of a length.
fn numbers(length: usize) -> Range<usize> {
    let first = BESIDE + length * HANG_UPS;
    first..first + HANG_UPS
}

/// Hangs up, a call of each length in turn, and looks behind each what the disk takes by itself.
fn in_turns(
    luck: &mut Luck,
    recordings: &Path,
    waiting: &Mutex<Vec<Waiting>>,
    work: &Path,
) -> anyhow::Result<Turns> {
    let mut turns = Turns { hung_up: Vec::new(), disk_alone: Vec::new() };
    for number in (0..HANG_UPS).flat_map(|turn| [0, 1].map(|length| numbers(length).start + turn)) {
        turns.hung_up.push(hang_up_of(number, recordings, waiting)?);
        pause(luck);
        turns.disk_alone.push(disk_alone(work)?);
        pause(luck);
    }
    Ok(turns)
}

fn pause(luck: &mut Luck) {
    std::thread::sleep(Duration::from_millis(luck.between(APART_MS.0, APART_MS.1)));
}

/// Hangs up the call of this number, and waits for its recording.
fn hang_up_of(number: usize, recordings: &Path, waiting: &Mutex<Vec<Waiting>>) -> anyhow::Result<HungUp> {
    let mut those = lock(waiting);
    let at = those.iter().position(|call| call.number == number).context("a call is gone")?;
    let Waiting { length, mut call, .. } = those.remove(at);
    drop(those);
    let file = recordings.join(format!("call_{}_conversation.mp3", sid("CA", number)));
    ensure!(!file.exists(), "{} is there before its call has ended", file.display());
    let hung_up = Instant::now();
    call.say_goodbye()?;
    while !file.exists() {
        ensure!(hung_up.elapsed() < PATIENCE, "{} does not come", file.display());
        std::thread::sleep(LOOKS);
    }
    let wait = hung_up.elapsed();
    let said = call.wait_for_goodbye()?.iter().map(|[caller, _]| caller).sum();
    Ok(HungUp { number, length, wait, said })
}

/// How long the disk takes for what each recording needs of it before it has its name: two files synced, one after the other, of which
/// one is renamed.
fn disk_alone(work: &Path) -> anyhow::Result<Duration> {
    let paths = ["disk-alone-recording", "disk-alone-journal"].map(|name| work.join(name));
    let named = work.join("disk-alone-named");
    let mut files = [File::create(&paths[0])?, File::create(&paths[1])?];
    for (file, bytes) in files.iter_mut().zip(UNSYNCED) {
        file.write_all(&vec![0; bytes])?;
    }
    let began = Instant::now();
    files[0].sync_all()?;
    files[1].sync_data()?;
    fs::rename(&paths[0], &named)?;
    let took = began.elapsed();
    fs::remove_file(named)?;
    fs::remove_file(&paths[1])?;
    Ok(took)
}

/// Whether every partial file has come as far as its call has by now, but for the last seconds.
fn caught_up(recordings: &Path, calls: &[Waiting]) -> anyhow::Result<bool> {
    let mut partial = Vec::new();
    for entry in fs::read_dir(recordings.join(".journal"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".partial") {
            partial.push((name, entry.metadata().context("a partial file is gone")?.len()));
        }
    }
    Ok(calls.iter().all(|call| {
        let seconds = call.call.said() * 60 / MESSAGES_A_MINUTE;
        let due = MP3_BYTES * seconds.saturating_sub(BEHIND);
        partial.iter().any(|(name, size)| name.contains(&sid("CA", call.number)) && *size >= due)
    }))
}

/// What calls of one length waited, in milliseconds.
struct Waits {
    median: f64,
    p99: f64,
    most: f64,
    /// Which in its run the slowest was, of those of its length.
    slowest: usize,
    /// How long they were in the median, in minutes.
    minutes: f64,
}

impl Waits {
    fn of<'a>(calls: impl Iterator<Item = &'a HungUp> + Clone) -> Self {
        let slowest = calls.clone().max_by_key(|call| call.wait);
        let slowest = slowest.map_or(0, |call| call.number - numbers(call.length).start + 1);
        let (waits, minutes): (Vec<_>, Vec<_>) =
            calls.map(|call| (call.wait, call.said as f64 / MESSAGES_A_MINUTE as f64)).unzip();
        let [median_ms, p99, most] = at([50, 99, 100], waits);
        Self { median: median_ms, p99, most, slowest, minutes: median(minutes) }
    }
}

/// These percentiles in milliseconds, by the nearest rank.
fn at<const N: usize>(percentiles: [usize; N], mut waits: Vec<Duration>) -> [f64; N] {
    waits.sort_unstable();
    percentiles
        .map(|percent| waits[(waits.len() * percent).div_ceil(100).saturating_sub(1)].as_secs_f64() * 1e3)
}

impl fmt::Display for Waits {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, most, slowest, minutes, .. } = self;
        write!(
            to,
            "({minutes:.1} minutes by then, in the median) {median:.0} ms in the median and {most:.0} ms at most, number {slowest} of the \
             {HANG_UPS} of its run"
        )
    }
}
