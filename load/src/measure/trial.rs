//! One server, so many calls, and what they cost.

use anyhow::ensure;
use callrec_encode::Format;
use callrec_simulator::{BotKind, Echoes, TICK_SAMPLES};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::arrivals::Arrivals;
use super::check::{Checked, Made};
use super::forwarded;
use super::heard::{Said, Side};
use super::probes::{Probed, Probes};
use super::spread::{Spread, median};
use super::{Lot, Options};
use crate::bot_log::BotLog;
use crate::cpu::{Cpu, Snapshot};
use crate::probe::Way;
use crate::process::{ServerProcess, scratch};
use crate::processors::Processors;
use crate::sockets::{self, Ended};
use crate::{Plan, PlayoutLog, Sound, Span, rest};

/// How long all calls are live before it is measured, at most.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long they are live behind it.
const TAIL: Duration = Duration::from_secs(1);
/// Into how many parts the window is cut to see what a call's age does.
const PARTS: u32 = 10;
/// How often memory is looked at.
const EVERY: Duration = Duration::from_millis(500);
/// How long the last recordings may take after the last call, beyond what the calls took: a server that has more calls than it has time
/// for makes much of their recordings behind them.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every trial has in common.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) options: &'a Options,
    pub(crate) sound: Sound,
    pub(crate) program: PathBuf,
    pub(crate) processors: Processors,
}

/// What one lot of calls cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trial {
    pub(crate) calls: u64,
    pub(crate) lot: Lot,
    /// How many of the calls measured delays.
    pub(crate) probes: u64,
    /// For how many seconds it was measured; all calls were live.
    pub(crate) seconds: f64,
    /// How old the calls were in the middle of that, in the mean; in seconds.
    pub(crate) age_seconds: f64,
    /// CPU time a call-second, in milliseconds.
    pub(crate) cpu_ms: Cpu<f64>,
    /// The same of all parts together.
    pub(crate) cpu_ms_in_all: f64,
    /// The same, but until every recording was there, with a call's end and whatever was put off; by the seconds that calls were live
    /// from when it was measured. None of a relay that makes no recordings, and where a call did not hang up.
    pub(crate) cpu_ms_to_the_end: Option<f64>,
    /// How busy the server's processors were with it, in percent.
    pub(crate) server_percent: f64,
    /// How busy ours were with us.
    pub(crate) ours_percent: f64,
    /// By how many milliseconds a call's end was late at most: the measuring machine's doing.
    pub(crate) late_ms: u64,
    /// The way of the caller's frames to the bot, in milliseconds; none of one-way calls.
    pub(crate) to_bot_ms: Option<Spread>,
    /// The way of the bot's speech to the provider.
    pub(crate) to_provider_ms: Option<Spread>,
    /// Resident memory in bytes, in the median.
    pub(crate) memory: f64,
    /// What a further minute of a call adds to resident memory, in bytes: from the median of the first third of the time to that of
    /// the last, by minutes and calls.
    pub(crate) memory_per_call_minute: f64,
    /// The same of each tenth of the time, one after another.
    pub(crate) by_age: Vec<Aged>,
    /// From the call's stop until the recording is there under its name, in milliseconds.
    pub(crate) hang_up_ms: Option<Spread>,
    pub(crate) checked: Checked,
}

/// What calls of some age cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Aged {
    /// How old they were, in the mean; in seconds.
    pub(crate) age_seconds: f64,
    /// Resident memory in bytes, in the median.
    pub(crate) memory: f64,
    /// CPU time a call-second in all, in milliseconds.
    pub(crate) cpu_ms: f64,
}

impl Setup<'_> {
    pub(crate) async fn trial(&self, calls: u64, lot: Lot) -> anyhow::Result<Trial> {
        let options = self.options;
        let home = scratch(options.work.as_deref())?;
        let responses = home.path().join("responses");
        let bots = std::net::TcpListener::bind("127.0.0.1:0")?;
        bots.set_nonblocking(true)?;
        let bot = format!("ws://{}", bots.local_addr()?);
        let server = self.start(home.path(), &bot, calls, lot)?.listening().await?;
        // A relay that records nothing has made none.
        std::fs::create_dir_all(&responses)?;
        let arrivals = Arrivals::watch(&responses)?;
        let url = format!("ws://{}/media-stream", server.address);
        let probed = if options.one_way { 0 } else { options.probes.min(calls) };
        let probes: Vec<_> = (0..probed).map(|index| format!("CAprobe{index:04}")).collect();
        let probes = Probes::open(&url, bots.try_clone()?, probes, &self.sound).await?;

        // Those that measure are calls as well.
        let plan = self.plan(calls - probed);
        let bots = if options.one_way { None } else { Some(TcpListener::from_std(bots)?) };
        let began = Instant::now();
        let live = began + Duration::from_millis(plan.ramp_ms);
        let begins = live + self.warm_up();
        let (ended, mut calling) = mpsc::unbounded_channel();
        let all = tokio::spawn(async move { sockets::call_all(&url, bots, &plan, &ended).await });

        let process = server.id()?;
        sleep_until(begins).await;
        let (at, before, ours_before) =
            (Instant::now(), Snapshot::of(process)?, Snapshot::of(std::process::id())?);
        let (mut memory, mut by_age) = (Vec::new(), Vec::new());
        for part in 0..PARTS {
            let (began, earlier, first) = (at.elapsed(), Snapshot::of(process)?, memory.len());
            let ends = at + Duration::from_secs(options.seconds) * (part + 1) / PARTS;
            while memory.len() == first || Instant::now() < ends {
                memory.push((at.elapsed(), server.held()?.memory as f64));
                sleep_until(ends.min(Instant::now() + EVERY)).await;
            }
            let (taken, during) = (Snapshot::of(process)?.since(&earlier).all(), at.elapsed() - began);
            by_age.push(Aged {
                age_seconds: self.age_at(calls, probed, began + during / 2),
                memory: median(memory[first..].iter().map(|(_, bytes)| *bytes)).unwrap_or_default(),
                cpu_ms: taken.as_secs_f64() * 1e3 / during.as_secs_f64() / calls as f64,
            });
        }
        let (taken, ours) =
            (Snapshot::of(process)?.since(&before), Snapshot::of(std::process::id())?.since(&ours_before));
        let over = Instant::now();
        let held = probes.end().await?;
        let bots = all.await??;

        let mut ended = Vec::new();
        while let Some(call) = calling.recv().await {
            ended.push(call);
        }
        let made = self.made(&ended, &held, lot == Lot::Recording)?;
        let mut cpu_ms_to_the_end = None;
        if lot == Lot::Bare {
            drop(server);
        } else {
            wait_for_recordings(&server.address, began.elapsed() + PATIENCE).await?;
            let in_all = Snapshot::of(process)?.since(&before).all();
            let live: Option<Duration> =
                made.iter().map(|(_, hung_up)| Some(hung_up.as_ref()?.saturating_duration_since(at))).sum();
            cpu_ms_to_the_end = live.map(|live| in_all.as_secs_f64() * 1e3 / live.as_secs_f64());
            server.end().await?;
        }
        // Nothing is measured any more.
        let mut faults: HashMap<&str, Vec<String>> =
            ended.iter().map(|call| (call.log.call.as_str(), self.faults(call, &bots))).collect();
        let mut checked = Checked::default();
        for (made, _) in &made {
            let mut faults = faults.remove(made.call.as_str()).unwrap_or_default();
            if lot != Lot::Bare {
                faults.extend(checked.listen(&responses, made));
            }
            checked.add(&made.call, &faults);
        }

        let late = ended.iter().map(|call| call.log.late_ms);
        let late_ms = late.chain(held.iter().map(|probed| probed.late_ms)).max().unwrap_or_default();
        let seconds = (over - at).as_secs_f64();
        let per_call_second = |time: Duration| time.as_secs_f64() * 1e3 / seconds / calls as f64;
        let percent =
            |cpu: Cpu<Duration>, count: u64| cpu.all().as_secs_f64() / seconds / count as f64 * 100.0;
        let way = |way: usize| {
            let delays = held.iter().flat_map(|probed| &probed.probe.delays[way]);
            Spread::of_ms(delays.filter(|(sent, _)| (at..over).contains(sent)).map(|(_, delay)| *delay))
        };
        Ok(Trial {
            calls,
            lot,
            probes: probed,
            seconds,
            cpu_ms: taken.map(per_call_second),
            cpu_ms_in_all: per_call_second(taken.all()),
            cpu_ms_to_the_end,
            server_percent: percent(taken, self.processors.server),
            ours_percent: percent(ours, self.processors.ours),
            late_ms,
            to_bot_ms: way(0),
            to_provider_ms: way(1),
            age_seconds: self.age_at(calls, probed, over.saturating_duration_since(at) / 2),
            memory: median(memory.iter().map(|(_, bytes)| *bytes)).unwrap_or_default(),
            memory_per_call_minute: growth(&memory) / calls as f64,
            by_age,
            hang_up_ms: Spread::of_ms(made.iter().filter_map(|(made, hung_up)| {
                Some(arrivals.at(&made.file)?.saturating_duration_since((*hung_up)?))
            })),
            checked,
        })
    }

    /// Starts a server; it does not listen yet.
    fn start(&self, home: &Path, bot: &str, calls: u64, lot: Lot) -> anyhow::Result<ServerProcess> {
        let options = self.options;
        let on = if lot == Lot::Recording { ["true", "on"] } else { ["false", "off"] };
        let most = (calls + 10).to_string();
        let mut settings = vec![
            ("DEFAULT_AUDIO_FORMAT", options.format.as_str()),
            ("RECORD_CONVERSATIONS", on[0]),
            ("RELAY_MARKS", on[1]),
            ("MAX_CALLS", &most),
            // What the calls must not wait for, on a machine whose disk is nearly full.
            ("MIN_FREE_DISK_MB", "0"),
        ];
        if !options.one_way {
            settings.push(("BOT_URL", bot));
        }
        settings.extend(options.set.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let runtime = tokio::runtime::Handle::current();
        self.processors.on_the_servers(|| {
            let _within = runtime.enter();
            match options.bare.as_ref().filter(|_| lot == Lot::Bare) {
                Some(bare) => {
                    ServerProcess::spawn(&std::path::absolute(bare)?, &["bare", "--bot", bot], home, &[])
                }
                None => ServerProcess::spawn(&self.program, &[], home, &settings),
            }
        })?
    }

    /// How long all calls are live before it is measured.
    fn warm_up(&self) -> Duration {
        WARM_UP.min(Duration::from_secs(self.options.seconds) / 4)
    }

    /// How old the calls are in the mean, in seconds, when it has been measured for so long.
    fn age_at(&self, calls: u64, probes: u64, measured: Duration) -> f64 {
        self.options.ramp as f64 * mean_share(calls, probes) + (self.warm_up() + measured).as_secs_f64()
    }

    /// What is wrong with a call, but for its recording.
    fn faults(&self, call: &Ended, bots: &HashMap<String, BotLog>) -> Vec<String> {
        let PlayoutLog { call: sid, failed, wrong, .. } = &call.log;
        if let Some(why) = failed {
            return vec![why.clone()];
        }
        let mut faults = Vec::new();
        if *wrong > 0 {
            faults.push(format!("{wrong} samples of the bot came as others than it sent"));
        }
        if !self.options.one_way {
            faults.extend(forwarded::faults(&call.log, call.hung_up, bots.get(sid)));
        }
        faults
    }

    fn plan(&self, calls: u64) -> Plan {
        let options = self.options;
        let none = Span { low: 0, high: 0 };
        let ramp = Duration::from_secs(options.ramp);
        let length = ramp + self.warm_up() + Duration::from_secs(options.seconds) + TAIL;
        Plan {
            calls,
            length_ms: length.as_millis() as u64,
            ramp_ms: options.ramp * 1_000,
            kinds: vec![BotKind::Bursting, BotKind::Pacing, BotKind::Stalling],
            formats: Vec::new(),
            sound: self.sound.clone(),
            delay_up: none,
            delay_down: none,
            jitter: none,
            stalls_percent: 0,
            stall_ms: 0,
            echoes: Echoes::BehindFrame,
            one_way: options.one_way,
            seed: options.seed,
        }
    }

    /// What the recordings are held against, and when each call hung up.
    fn made(
        &self,
        ended: &[Ended],
        probed: &[Probed],
        recorded: bool,
    ) -> anyhow::Result<Vec<(Made, Option<Instant>)>> {
        let options = self.options;
        let format: Format = options.format.parse()?;
        let made = |call: &str, first_frame_ms, frames, assistant_ms, said: Said| Made {
            call: call.to_owned(),
            file: format!("call_{call}_conversation.{format}"),
            format,
            first_frame_ms,
            frames,
            assistant_ms,
            said,
            recorded,
        };
        let ended = ended.iter().map(|Ended { log, hung_up }| {
            let first = log.first_frame_ms * 8;
            let said = vec![(first, first, log.frames * TICK_SAMPLES)];
            let caller = Side { seed: log.caller_seed, quietly: false, runs: said };
            let bot = Side { seed: log.bot_seed, quietly: false, runs: log.heard.clone() };
            // A provider that sends both sides sends silence too.
            let assistant_ms = if options.one_way { log.frames * 20 } else { log.sent / 8 };
            let sides = [caller, bot];
            let (late_ms, late) = (log.late_ms, log.late.clone());
            let said = Said { sound: self.sound.clone(), sides, late_ms, late };
            (made(&log.call, log.first_frame_ms, log.frames, assistant_ms, said), *hung_up)
        });
        let probed = probed.iter().map(|probed| {
            let Probed { probe, hung_up, late_ms } = probed;
            let assistant_ms = probe.delays[Way::ToProvider as usize].len() as u64 * 20;
            // Each of them speaks without a pause: all of it is moved by as much.
            let (sides, late_ms, late) = (probed.said(), *late_ms, Vec::new());
            let said = Said { sound: self.sound.clone(), sides, late_ms, late };
            (made(probe.call(), 0, probe.frames, assistant_ms, said), Some(*hung_up))
        });
        let all: Vec<_> = ended.chain(probed).collect();
        ensure!(!all.is_empty(), "no call was made");
        Ok(all)
    }
}

/// Waits until nothing is being recorded or finished any more, for so long at most.
async fn wait_for_recordings(address: &str, patience: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + patience;
    loop {
        let (_, health) = rest::ask(address, "GET", "/health", "").await?;
        let recorder = &serde_json::from_slice::<Value>(&health)?["recorder"];
        if recorder["live"] == 0 && recorder["finishing"] == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the last recordings are not finished: {recorder}");
        sleep(EVERY).await;
    }
}

/// For how much of the ramp the calls have been live when it is over, in the mean. Probes have been for all of it; the others begin one
/// after another, the first of them with the ramp.
fn mean_share(calls: u64, probes: u64) -> f64 {
    let others = calls - probes;
    let live = |index: u64| 1.0 - index as f64 / others as f64;
    (probes as f64 + (0..others).map(live).sum::<f64>()) / calls as f64
}

/// What was added a minute, in bytes: from the median of the first third to that of the last.
fn growth(memory: &[(Duration, f64)]) -> f64 {
    let third = memory.len() / 3;
    let of = |samples: &[(Duration, f64)]| {
        let times = median(samples.iter().map(|(at, _)| at.as_secs_f64()))?;
        Some((times, median(samples.iter().map(|(_, bytes)| *bytes))?))
    };
    let (first, last) = (of(&memory[..third]), of(&memory[memory.len() - third..]));
    match (first, last) {
        (Some(first), Some(last)) => (last.1 - first.1) / (last.0 - first.0) * 60.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_as_old_as_they_began_and_those_that_measure_began_first() {
        // Four begin with the ramp, and after a quarter, a half and three quarters of it.
        assert_eq!(mean_share(4, 0), (1.0 + 0.75 + 0.5 + 0.25) / 4.0);
        assert_eq!(mean_share(4, 2), (1.0 + 1.0 + 1.0 + 0.5) / 4.0);
        assert_eq!(mean_share(4, 4), 1.0);
    }

    #[test]
    fn what_grows_is_told_by_the_minute() {
        let at = |second: u64| (Duration::from_secs(second), 1e6 + 100.0 * second as f64);
        assert!((growth(&(0..60).map(at).collect::<Vec<_>>()) - 6_000.0).abs() < 1e-6);
        assert_eq!(growth(&[]), 0.0);
    }
}
