//! What is told of all trials, to people and to programs.

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

use super::check::Checked;
use super::spread::{Spread, median};
use super::trial::{Aged, Trial};
use super::{Lot, Options};
use crate::cpu::Cpu;
use crate::processors::Processors;

/// How many problems are written out.
const TOLD: usize = 10;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    server: Server,
    format: String,
    one_way: bool,
    runs: u64,
    /// How many processors the server and this program had, and whether they were their own.
    server_processors: u64,
    our_processors: u64,
    parted: bool,
    levels: Vec<Level>,
    /// What a call more takes of resident memory, in bytes: from the fewest recorded calls to the most.
    memory_per_call: Option<f64>,
    /// Each run by itself.
    trials: Vec<Trial>,
}

/// The program whose costs were measured, and what it says it is.
#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) program: PathBuf,
    pub(super) version: String,
}

/// So many calls: medians over all runs, but the greatest of what is told at the most, and the sum of what was found in recordings.
#[derive(Debug, Serialize)]
struct Level {
    calls: u64,
    recording: Option<Trial>,
    without: Option<Trial>,
    /// Through the relay that does nothing else, if one was named.
    bare: Option<Trial>,
    /// Of recorded calls, where they were measured without recording too.
    split_ms: Option<Split>,
}

/// CPU time a call-second, in milliseconds, by what it was for. Relay and ingest are on the same threads, and told apart by what
/// the same calls take without recording.
#[derive(Debug, Clone, Copy, Serialize)]
struct Split {
    /// What sockets take without recording: forwarding, and reading each message to know what it is.
    relay: f64,
    /// What recording adds to that: copying audio for the journal, and the marks that are sent and come back.
    ingest: f64,
    journal: f64,
    encode: f64,
    other: f64,
}

impl Split {
    const fn of(recording: &Cpu<f64>, without: &Cpu<f64>) -> Self {
        let Cpu { sockets, journal, encode, other } = *recording;
        Self { relay: without.sockets, ingest: sockets - without.sockets, journal, encode, other }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        server: Server,
        processors: &Processors,
        trials: Vec<Trial>,
    ) -> Self {
        let mut levels: Vec<Level> = Vec::new();
        for calls in &options.calls {
            if levels.iter().all(|level| level.calls != *calls) {
                let of = |lot: Lot| {
                    let of_lot = |trial: &&Trial| (trial.calls, trial.lot) == (*calls, lot);
                    together(&trials.iter().filter(of_lot).collect::<Vec<_>>())
                };
                let (recording, without, bare) = (of(Lot::Recording), of(Lot::Without), of(Lot::Bare));
                let both = recording.as_ref().zip(without.as_ref());
                let split_ms = both.map(|(recording, without)| Split::of(&recording.cpu_ms, &without.cpu_ms));
                levels.push(Level { calls: *calls, recording, without, bare, split_ms });
            }
        }
        let recorded =
            || levels.iter().filter_map(|level| Some((level.calls, level.recording.as_ref()?.memory)));
        let (fewest, most) = (recorded().min_by_key(|level| level.0), recorded().max_by_key(|level| level.0));
        let memory_per_call = fewest
            .zip(most)
            .filter(|(fewest, most)| fewest.0 < most.0)
            .map(|(fewest, most)| (most.1 - fewest.1) / (most.0 - fewest.0) as f64);
        Self {
            server,
            format: options.format.clone(),
            one_way: options.one_way,
            runs: options.runs,
            server_processors: processors.server,
            our_processors: processors.ours,
            parted: processors.are_parted(),
            levels,
            memory_per_call,
            trials,
        }
    }

    /// Whether nothing is wrong with any call, nor with the recording of one that was to be recorded.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.trials.iter().all(|trial| trial.checked.problems.is_empty())
    }
}

/// The medians of trials of one kind, and the greatest of what is told at the most; what was found in their recordings is summed up.
fn together(trials: &[&Trial]) -> Option<Trial> {
    let first = trials.first()?;
    let of =
        |figure: &dyn Fn(&Trial) -> f64| median(trials.iter().map(|trial| figure(trial))).unwrap_or_default();
    let spread = |figure: fn(&Trial) -> Option<Spread>| {
        let spreads: Vec<_> = trials.iter().filter_map(|trial| figure(trial)).collect();
        Spread::of_runs(&spreads)
    };
    let mut checked = Checked::default();
    for trial in trials {
        checked.good += trial.checked.good;
        checked.lost_frames += trial.checked.lost_frames;
        checked.problems.extend_from_slice(&trial.checked.problems);
    }
    Some(Trial {
        calls: first.calls,
        lot: first.lot,
        probes: first.probes,
        seconds: of(&|trial| trial.seconds),
        cpu_ms: Cpu {
            sockets: of(&|trial| trial.cpu_ms.sockets),
            journal: of(&|trial| trial.cpu_ms.journal),
            encode: of(&|trial| trial.cpu_ms.encode),
            other: of(&|trial| trial.cpu_ms.other),
        },
        // Of each run's own: the medians of the parts may be of different runs.
        cpu_ms_in_all: of(&|trial| trial.cpu_ms_in_all),
        cpu_ms_to_the_end: median(trials.iter().filter_map(|trial| trial.cpu_ms_to_the_end)),
        server_percent: of(&|trial| trial.server_percent),
        ours_percent: of(&|trial| trial.ours_percent),
        late_ms: trials.iter().map(|trial| trial.late_ms).max().unwrap_or_default(),
        to_bot_ms: spread(|trial| trial.to_bot_ms),
        to_provider_ms: spread(|trial| trial.to_provider_ms),
        age_seconds: of(&|trial| trial.age_seconds),
        memory: of(&|trial| trial.memory),
        memory_per_call_minute: of(&|trial| trial.memory_per_call_minute),
        by_age: by_age(trials),
        hang_up_ms: spread(|trial| trial.hang_up_ms),
        checked,
    })
}

/// Part by part.
fn by_age(trials: &[&Trial]) -> Vec<Aged> {
    let parts = trials.iter().map(|trial| trial.by_age.len()).min().unwrap_or_default();
    let of = |part: usize, figure: fn(&Aged) -> f64| {
        median(trials.iter().map(|trial| figure(&trial.by_age[part]))).unwrap_or_default()
    };
    let aged = |part| Aged {
        age_seconds: of(part, |aged| aged.age_seconds),
        memory: of(part, |aged| aged.memory),
        cpu_ms: of(part, |aged| aged.cpu_ms),
    };
    (0..parts).map(aged).collect()
}

/// A row of the table: a figure of a trial.
type Row = (&'static str, fn(&Trial) -> Option<f64>);

const ROWS: [Row; 21] = [
    ("CPU a call-second, ms: sockets", |trial| Some(trial.cpu_ms.sockets)),
    ("  journal", |trial| Some(trial.cpu_ms.journal)),
    ("  encode", |trial| Some(trial.cpu_ms.encode)),
    ("  other", |trial| Some(trial.cpu_ms.other)),
    ("  in all", |trial| Some(trial.cpu_ms_in_all)),
    ("  with all that follows", |trial| trial.cpu_ms_to_the_end),
    ("server's processors busy, %", |trial| Some(trial.server_percent)),
    ("ours busy, %", |trial| Some(trial.ours_percent)),
    ("we were late by at most, ms", |trial| Some(trial.late_ms as f64)),
    ("to the bot, ms: p50", |trial| Some(trial.to_bot_ms?.p50)),
    ("  p99", |trial| Some(trial.to_bot_ms?.p99)),
    ("  max", |trial| Some(trial.to_bot_ms?.max)),
    ("to the provider, ms: p50", |trial| Some(trial.to_provider_ms?.p50)),
    ("  p99", |trial| Some(trial.to_provider_ms?.p99)),
    ("  max", |trial| Some(trial.to_provider_ms?.max)),
    ("resident memory, MB", |trial| Some(trial.memory / 1e6)),
    ("  growth a call-minute, kB", |trial| Some(trial.memory_per_call_minute / 1e3)),
    ("hang-up to file, ms: p50", |trial| Some(trial.hang_up_ms?.p50)),
    ("  p99", |trial| Some(trial.hang_up_ms?.p99)),
    ("  max", |trial| Some(trial.hang_up_ms?.max)),
    ("lost frames", |trial| (trial.lot != Lot::Bare).then_some(trial.checked.lost_frames as f64)),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.one_way { "one-way" } else { "relayed" };
        let processors = if self.parted {
            format!(
                "{} processors for the server, {} for the calls",
                self.server_processors, self.our_processors
            )
        } else {
            format!("{} processors for all together", self.our_processors)
        };
        writeln!(f, "{way} calls, {}; {processors}", self.format)?;
        writeln!(
            f,
            "medians of {} runs, but the greatest of all runs at \"most\" and \"max\", and the sum of lost frames",
            self.runs
        )?;
        writeln!(f, "{} ({})", self.server.version, self.server.program.display())?;
        for Level { calls, recording, without, bare, split_ms } in &self.levels {
            writeln!(
                f,
                "\n{:32} {:>10} {:>10} {:>10}{}",
                format!("{calls} calls"),
                "recording",
                "without",
                "added",
                if bare.is_some() { format!(" {:>10}", "bare") } else { String::new() }
            )?;
            for (name, figure) in ROWS {
                let [with, without, bare] =
                    [recording, without, bare].map(|trial| trial.as_ref().and_then(figure));
                if with.or(without).or(bare).is_none() {
                    continue;
                }
                let show = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
                let added = with.zip(without).map(|(with, without)| with - without);
                let [with, without, added, bare] = [with, without, added, bare].map(show);
                let line = format!("{name:32} {with:>10} {without:>10} {added:>10} {bare:>10}");
                writeln!(f, "{}", line.trim_end())?;
            }
            if let Some(Split { relay, ingest, journal, encode, other }) = split_ms {
                writeln!(
                    f,
                    "CPU a call-second, ms: relay {relay:.3}, ingest {ingest:.3}, journal {journal:.3}, encode {encode:.3}, other {other:.3}"
                )?;
            }
        }
        writeln!(
            f,
            "\nthe relay is what sockets take without recording, which reads each message too; the ingest, what recording adds to that"
        )?;
        if let Some(bytes) = self.memory_per_call {
            writeln!(f, "resident memory a recorded call more: {:.0} kB", bytes / 1e3)?;
        }
        let good = |are_recorded: bool| -> u64 {
            let trials = self.trials.iter().filter(|trial| (trial.lot == Lot::Recording) == are_recorded);
            trials.map(|trial| trial.checked.good).sum()
        };
        let problems: Vec<_> = self.trials.iter().flat_map(|trial| &trial.checked.problems).collect();
        write!(
            f,
            "{} calls were recorded as they were made, {} were not to be recorded and went well, and with {} something is wrong",
            good(true),
            good(false),
            problems.len()
        )?;
        for problem in problems.iter().take(TOLD) {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(cpu_ms: Cpu<f64>, max: f64, lost_frames: u64) -> Trial {
        let Cpu { sockets, journal, encode, other } = cpu_ms;
        let delays = Spread { count: 1, p50: max / 2.0, p99: max, max };
        Trial {
            calls: 2,
            lot: Lot::Recording,
            probes: 1,
            seconds: 3.0,
            age_seconds: 4.0,
            cpu_ms,
            cpu_ms_in_all: sockets + journal + encode + other,
            cpu_ms_to_the_end: None,
            server_percent: 1.0,
            ours_percent: 1.0,
            late_ms: max as u64,
            to_bot_ms: Some(delays),
            to_provider_ms: None,
            memory: 1e6,
            memory_per_call_minute: 0.0,
            by_age: Vec::new(),
            hang_up_ms: None,
            checked: Checked { good: 2, lost_frames, problems: Vec::new() },
        }
    }

    #[test]
    fn of_several_runs_there_are_medians_but_the_greatest_of_what_is_told_at_the_most_and_the_sum_of_what_is_lost()
     {
        let cpu = |sockets, encode| Cpu { sockets, journal: 1.0, encode, other: 0.0 };
        let trials =
            [trial(cpu(1.0, 9.0), 2.0, 1), trial(cpu(2.0, 2.0), 8.0, 0), trial(cpu(9.0, 1.0), 4.0, 2)];
        let together = together(&trials.iter().collect::<Vec<_>>()).unwrap();
        // The runs took 11, 5 and 11; the medians of the parts are 2, 1 and 2.
        assert_eq!((together.cpu_ms, together.cpu_ms_in_all), (cpu(2.0, 2.0), 11.0));
        let delays = together.to_bot_ms.unwrap();
        assert_eq!((delays.p99, delays.max, together.late_ms), (4.0, 8.0, 8));
        assert_eq!((together.checked.good, together.checked.lost_frames), (6, 3));
    }
}
