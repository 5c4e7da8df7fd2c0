//! A soak: the shipped server under calls of all kinds for as long as is wished, while it is measured whether it holds on to
//! anything: memory, descriptors, threads.

mod account;
mod calls;
mod report;
mod trend;

use anyhow::{Context as _, ensure};
use calls::SoakCall;
use clap::Args;
use report::{Report, Sample};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::descriptors::allow_many_files;
use crate::process::{Held, ServerProcess, program, scratch, version};
use crate::sockets;

/// How the soak is done.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// For how many minutes calls begin, each minute the same ones: six at least. The first four, twice the longest call, are not looked
    /// at, and two are the fewest that can be held against each other.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(LEAST_MINUTES..=10_000))]
    pub minutes: u64,
    /// How many calls there are at once, on average; a quarter of them is broken off at some time.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub live: u64,
    /// The server's program; without it, under cargo it is built, otherwise the one beside this program is taken.
    #[arg(long, value_name = "FILE")]
    pub server: Option<PathBuf>,
    /// In which directory journals and recordings are made; they are removed. The default is the system's temporary directory. Where that
    /// is in memory, recordings take memory beside the server, and no disk is ever waited for.
    #[arg(long, value_name = "DIRECTORY")]
    pub work: Option<PathBuf>,
    /// The formats that calls ask for.
    #[arg(long, value_delimiter = ',', default_value = "mp3,wav,ogg,flac", value_parser = known)]
    pub formats: Vec<&'static str>,
    /// What everything is drawn from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn known(name: &str) -> Result<&'static str, String> {
    let all = ["mp3", "wav", "ogg", "flac"];
    all.into_iter().find(|format| *format == name).ok_or_else(|| format!("one of {}", all.join(", ")))
}

/// Of fewer nothing is told: what is left behind those that are not looked at must be two rounds.
const LEAST_MINUTES: u64 = 6;
/// How often it is measured.
const EVERY: Duration = Duration::from_secs(1);
/// How long the files of an ended call are left: whoever runs a server clears up as well.
const KEPT: Duration = Duration::from_secs(60);
/// How long the server may take, after the last call, to hold no more than before the first: threads that wait for work end
/// after ten seconds.
const SETTLES: Duration = Duration::from_secs(60);

/// What was done.
#[derive(Debug, Default)]
struct Done {
    calls: u64,
    /// Calls that have begun and are not over.
    live: u64,
    one_way: u64,
    /// Calls that callrec's own TwiML answered.
    answered: u64,
    broken_off: u64,
    requests: u64,
    /// The first failure, and how many there were.
    failed: Option<String>,
    failures: u64,
    /// When calls ended.
    ended: VecDeque<(Instant, String)>,
}

impl Done {
    fn note(&mut self, what: &str, outcome: anyhow::Result<()>) {
        if let Err(error) = outcome {
            self.failures += 1;
            self.failed.get_or_insert(format!("{what}: {error:#}"));
        }
    }
}

type Shared = Arc<Mutex<Done>>;

fn lock(done: &Shared) -> std::sync::MutexGuard<'_, Done> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does it and tells what came of it; the report says whether all is well.
///
/// # Errors
/// The server could not be started or measured.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    // A call is a socket of the provider's and one of the bot's, and at times there are more of them.
    allow_many_files(4 * options.live)?;
    let program = program(options.server.as_deref())?;
    let version = version(&program)?;
    let home = scratch(options.work.as_deref())?;
    let bots = TcpListener::bind("127.0.0.1:0").await?;
    let bot = format!("ws://{}", bots.local_addr()?);
    let most = (2 * options.live + 100).to_string();
    let settings = [&account::SETTINGS[..], &[("BOT_URL", &bot), ("MAX_CALLS", &most)]].concat();
    let server = ServerProcess::start(&program, home.path(), &settings).await?;
    let calls = calls::all(options.minutes, options.live, &options.formats, options.seed);
    let plans = calls.iter().map(|call| (call.plan.sid.clone(), call.plan.clone())).collect();
    let answering = tokio::spawn(sockets::answer_all(bots, Arc::new(plans), mpsc::unbounded_channel().0));
    let done = Shared::default();
    sleep(EVERY).await;
    let before = server.held()?;

    let began = Instant::now();
    let (mut samples, mut tasks) = (Vec::new(), JoinSet::new());
    for call in calls {
        tasks.spawn(one(server.address.clone(), call, began, Arc::clone(&done)));
    }
    let reading = tokio::spawn(read(server.address.clone(), Arc::clone(&done)));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let until = Duration::from_secs(options.minutes * 60);
    while began.elapsed() < until {
        ticks.tick().await;
        let live = lock(&done).live;
        samples.push(Sample { at: began.elapsed().as_secs_f64(), live, held: server.held()? });
        clear_up(&home.path().join("responses"), &done);
    }
    // Those that are still on the phone hang up in their own time.
    let longest = Duration::from_millis(2 * calls::LONGEST_MS);
    let last = timeout(longest, async { while tasks.join_next().await.is_some() {} }).await;
    last.context("the last calls do not end")?;
    reading.abort();
    let _ = reading.await;
    let after = settled(&server, before).await?;
    answering.abort();
    let (_, health) = account::ask(&server.address, "GET", "/health", "").await?;
    let log = server.log();
    server.end().await?;
    let done = std::mem::take(&mut *lock(&done));
    let server = format!("{version} ({})", program.display());
    Ok(Report::new(options, server, done, [before, after], &samples, &health, &log))
}

/// One call, and what is asked for while it goes on and when it is over.
async fn one(address: String, call: SoakCall, began: Instant, done: Shared) {
    let SoakCall { mut plan, is_answered, breaks_off_ms, set_format, tells_ms } = call;
    let begins = began + Duration::from_millis(plan.begins_ms);
    let sid = plan.sid.clone();
    let beside = |path: String, body: &'static str, at_ms: u64| {
        let (address, done) = (address.clone(), Arc::clone(&done));
        async move {
            sleep_until(begins + Duration::from_millis(at_ms)).await;
            // Whether the call has begun, goes on or has ended: the answer is one of these.
            let asked = account::ask(&address, "POST", &path, body).await;
            let asked = asked.and_then(|(status, _)| {
                ensure!(matches!(status, 200 | 404 | 409), "{status}");
                Ok(())
            });
            let mut done = lock(&done);
            done.requests += 1;
            done.note(&path, asked);
        }
    };
    let url = format!("ws://{address}/media-stream");
    let calling = async {
        sleep_until(begins).await;
        lock(&done).live += 1;
        let answered = match is_answered {
            true => account::call(&address, &sid, &url).await.map(Some),
            false => Ok(None),
        };
        lock(&done).answered += u64::from(matches!(answered, Ok(Some(_))));
        match answered {
            Ok(token) => plan.token = token,
            Err(error) => lock(&done).note(&sid, Err(error)),
        }
        let signature = account::signature(&url);
        let speaking = sockets::provide(&url, &plan, &signature);
        let failed = match breaks_off_ms {
            // Dropped in the middle of whatever it does: a reset, for what came is not read.
            Some(after_ms) => {
                timeout(Duration::from_millis(after_ms), speaking).await.ok().and_then(|log| log.failed)
            }
            None => speaking.await.failed,
        };
        let mut done = lock(&done);
        done.calls += 1;
        done.live -= 1;
        done.one_way += u64::from(plan.one_way);
        done.broken_off += u64::from(breaks_off_ms.is_some());
        done.note(&sid, failed.map_or(Ok(()), |why| Err(anyhow::anyhow!(why))));
    };
    let setting = async {
        if let Some((at_ms, format)) = set_format {
            beside(format!("/audio/set-format/{sid}?format={format}"), "", at_ms).await;
        }
    };
    let telling = async {
        if let Some(at_ms) = tells_ms {
            beside(format!("/calls/{sid}/transcript"), r#"{"speaker":"caller","text":"hello"}"#, at_ms).await;
        }
    };
    tokio::join!(calling, setting, telling);
    if plan.index.is_multiple_of(4) {
        for path in ["recording", "transcript", "summary"] {
            let asked = account::ask(&address, "GET", &format!("/calls/{sid}/{path}"), "").await;
            let mut done = lock(&done);
            done.requests += 1;
            done.note(path, asked.map(drop));
        }
    }
    lock(&done).ended.push_back((Instant::now(), sid));
}

/// What is asked for all the time, well and badly.
async fn read(address: String, done: Shared) {
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        for (path, expected) in
            [("/health", 200), ("/calls", 200), ("/audio/formats", 200), ("/nothing-here", 404)]
        {
            let asked = account::ask(&address, "GET", path, "").await.and_then(|(status, _)| {
                ensure!(status == expected, "{status}, and not {expected}");
                Ok(())
            });
            let mut done = lock(&done);
            done.requests += 1;
            done.note(path, asked);
        }
        let broken = account::break_off(&address).await;
        let strangers = account::turn_strangers_away(&address).await;
        let mut done = lock(&done);
        done.requests += 3;
        done.note("a request broken off", broken);
        done.note("strangers", strangers);
    }
}

/// Removes the files of calls that ended a while ago.
fn clear_up(responses: &Path, done: &Shared) {
    let mut done = lock(done);
    while done.ended.front().is_some_and(|(ended, _)| ended.elapsed() > KEPT) {
        let Some((_, sid)) = done.ended.pop_front() else { return };
        let ends = ["_conversation.mp3", "_conversation.wav", "_conversation.ogg", "_conversation.flac"];
        for end in ends.into_iter().chain([".txt", "_summary.txt", "_summary.json"]) {
            let _ = std::fs::remove_file(responses.join(format!("call_{sid}{end}")));
        }
    }
}

/// Waits until no more is held than before the first call, and gives what is held then.
async fn settled(server: &ServerProcess, before: Held) -> anyhow::Result<Held> {
    let deadline = Instant::now() + SETTLES;
    loop {
        let held = server.held()?;
        let is_settled = held.descriptors <= before.descriptors && held.threads <= before.threads;
        if is_settled || Instant::now() > deadline {
            return Ok(held);
        }
        sleep(EVERY).await;
    }
}
