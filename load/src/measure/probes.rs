//! The calls that measure: held at both ends by a thread of their own, while others make the load.

use anyhow::Context as _;
use callrec_simulator::TICK_SAMPLES;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, timeout};

use super::heard::Side;
use crate::Sound;
use crate::probe::{Probe, SEEDS, Way};

/// A message each way every 20 ms, in turn.
const TURN: Duration = Duration::from_millis(10);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of one.
#[derive(Debug)]
pub(crate) struct Probed {
    pub(crate) probe: Probe,
    /// When its stop was sent.
    pub(crate) hung_up: Instant,
    /// By how many milliseconds it was late at most.
    pub(crate) late_ms: u64,
}

impl Probed {
    /// What the two said: the number of the first sample, its place in the stream, and how many. They took turns.
    pub(crate) fn said(&self) -> [Side; 2] {
        let bot = self.probe.delays[Way::ToProvider as usize].len() as u64;
        let runs = [(0, 0, self.probe.frames), (1, 2, bot)].map(|(first, at, frames)| {
            vec![(first * TICK_SAMPLES, at * TICK_SAMPLES, frames * TICK_SAMPLES)]
        });
        let [caller, assistant] = runs;
        [
            Side { seed: SEEDS[0], quietly: false, runs: caller },
            Side { seed: SEEDS[1], quietly: true, runs: assistant },
        ]
    }
}

/// Calls that go on until they are told to end.
#[derive(Debug)]
pub(crate) struct Probes {
    thread: JoinHandle<anyhow::Result<Vec<Probed>>>,
    stop: Arc<AtomicBool>,
}

impl Probes {
    /// Opens them, one after another; nobody else may be calling meanwhile.
    pub(crate) async fn open(
        url: &str,
        bots: std::net::TcpListener,
        calls: Vec<String>,
        sound: &Sound,
    ) -> anyhow::Result<Self> {
        let (opened, opening) = oneshot::channel();
        let (url, stop) = (url.to_owned(), Arc::new(AtomicBool::new(false)));
        let (stopping, sound) = (Arc::clone(&stop), sound.clone());
        let thread = std::thread::Builder::new().name("probes".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(hold(&url, bots, calls, sound, opened, stopping))
        })?;
        let probes = Self { thread, stop };
        match opening.await {
            Ok(()) => Ok(probes),
            // It says why.
            Err(_) => Err(probes.end().await.err().unwrap_or_else(|| anyhow::anyhow!("they broke"))),
        }
    }

    /// Has them hang up.
    pub(crate) async fn end(self) -> anyhow::Result<Vec<Probed>> {
        self.stop.store(true, Ordering::Release);
        tokio::task::spawn_blocking(move || self.thread.join())
            .await?
            .unwrap_or_else(|_| Err(anyhow::anyhow!("they broke")))
    }
}

async fn hold(
    url: &str,
    bots: std::net::TcpListener,
    calls: Vec<String>,
    sound: Sound,
    opened: oneshot::Sender<()>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<Vec<Probed>> {
    let bots = TcpListener::from_std(bots)?;
    let mut probes = Vec::new();
    for call in &calls {
        probes.push(Probe::open(url, &bots, call).await?.saying(sound.clone()));
    }
    drop(bots);
    let mut tasks = JoinSet::new();
    let begins = Instant::now();
    for (index, probe) in (0..).zip(probes) {
        // Not all at once.
        let first = begins + TURN * index / (calls.len() as u32);
        tasks.spawn(converse(probe, first, Arc::clone(&stop)));
    }
    let _ = opened.send(());
    let mut probed = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        probed.push(ended.context("a probe's task broke")??);
    }
    Ok(probed)
}

/// Sends by the clock, whatever comes back.
async fn converse(mut probe: Probe, first: Instant, stop: Arc<AtomicBool>) -> anyhow::Result<Probed> {
    let (mut turns, mut late) = (interval_at(first, TURN), Duration::ZERO);
    let mut ways = Way::BOTH.into_iter().cycle();
    while !stop.load(Ordering::Acquire) {
        tokio::select! {
            due = turns.tick() => if let Some(way) = ways.next() {
                late = late.max(due.elapsed());
                probe.send(way).await?;
            },
            received = probe.receive() => received?,
        }
    }
    let last = async {
        while !Way::BOTH.iter().all(|way| probe.has_arrived(*way)) {
            probe.receive().await?;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, last).await.context("the last messages do not come")??;
    let hung_up = probe.hang_up().await?;
    Ok(Probed { probe, hung_up, late_ms: late.as_millis() as u64 })
}
