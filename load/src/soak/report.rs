//! What came of a soak, as a table with a verdict.

use serde_json::Value;
use std::fmt;

use super::calls::{LONGEST_MS, ROUND_MS};
use super::trend::Trend;
use super::{Done, Options};
use crate::process::Held;

/// How much of the time at the beginning is not looked at, in seconds: twice the longest call. Calls begin one after another, so for the
/// length of the longest there are more and more of them; those of the longest that began when all were there have come and gone
/// after as much again. What is held from then on has been needed once before, by calls of every length: it has no reason to grow.
const WARM_UP: f64 = 2.0 * LONGEST_MS as f64 / 1_000.0;

/// How long a round is, in seconds.
const ROUND: f64 = ROUND_MS as f64 / 1_000.0;

/// What may be added of memory over all that is looked at, as a share of it and in bytes at least.
const MEMORY: (f64, f64) = (0.03, 2e6);
/// Of descriptors for each live call: they come and go with the call, the recording that is finished after it, and requests. One
/// that stays is found without any allowance when the last call is over.
const DESCRIPTORS: (f64, f64) = (0.05, 0.0);
/// Of threads: one more may be at work, just then.
const THREADS: (f64, f64) = (0.0, 1.0);

/// In how many steps memory is told.
const STEPS: usize = 20;

/// What was measured at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// In seconds since the beginning.
    pub(super) at: f64,
    pub(super) live: u64,
    pub(super) held: Held,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// What the program says it is, and where it is.
    server: String,
    minutes: u64,
    seed: u64,
    done: Done,
    before: Held,
    after: Held,
    /// How many calls were live, at the least and at the most, of the time that was looked at.
    live: Option<(u64, u64)>,
    /// The most memory, warm-up included.
    peak: u64,
    /// Memory from the beginning to the end.
    in_steps: Vec<String>,
    trends: [(&'static str, Unit, Option<Trend>); 3],
    /// What the server counted at its limits, if anything.
    refused: Vec<String>,
    panics: usize,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Megabytes,
    /// For each live call.
    PerCall,
    Pieces,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Megabytes => format!("{:.2} MB", value / 1e6),
            Self::PerCall => format!("{value:.2}/call"),
            Self::Pieces => format!("{value:.1}"),
        }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        server: String,
        done: Done,
        [before, after]: [Held; 2],
        samples: &[Sample],
        health: &[u8],
        log: &str,
    ) -> Self {
        let late = samples.iter().filter(|sample| sample.at >= WARM_UP);
        let of = |what: fn(&Sample) -> f64, (share, least): (f64, f64)| {
            let samples: Vec<_> = late.clone().map(|sample| (sample.at, what(sample))).collect();
            Trend::of(&samples, ROUND, share, least)
        };
        let live = late.clone().map(|sample| sample.live);
        Self {
            server,
            minutes: options.minutes,
            seed: options.seed,
            done,
            before,
            after,
            live: live.clone().min().zip(live.max()),
            peak: samples.iter().map(|sample| sample.held.memory).max().unwrap_or_default(),
            in_steps: in_steps(samples),
            trends: [
                ("memory", Unit::Megabytes, of(|sample| sample.held.memory as f64, MEMORY)),
                (
                    "descriptors",
                    Unit::PerCall,
                    of(|sample| sample.held.descriptors as f64 / sample.live.max(1) as f64, DESCRIPTORS),
                ),
                ("threads", Unit::Pieces, of(|sample| sample.held.threads as f64, THREADS)),
            ],
            refused: refused(health),
            panics: log.matches("panicked").count(),
        }
    }

    /// Whether everything stayed flat, nothing is held on to, and no call failed.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.is_flat() && self.is_settled() && self.done.failures == 0 && self.panics == 0
    }

    /// How many calls were made.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.done.calls
    }

    /// How many of them callrec's own TwiML answered, and gave a token.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.done.answered
    }

    /// Why a call or a request failed, if one did.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.done.failed.as_deref()
    }

    /// Whether it went on for long enough that something can be said.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.trends.iter().all(|(_, _, trend)| trend.is_some())
    }

    /// Whether memory, descriptors and threads stayed flat.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.trends.iter().all(|(_, _, trend)| trend.is_some_and(|trend| trend.is_flat()))
    }

    /// Whether no more descriptors and threads are held after the last call than before the first.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.after.descriptors <= self.before.descriptors && self.after.threads <= self.before.threads
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done { calls, one_way, answered, broken_off, requests, failures, .. } = &self.done;
        writeln!(
            f,
            "soak of {} min, seed {}: {calls} calls ({answered} with callrec's TwiML, {one_way} one-way, {broken_off} broken off), \
             {requests} requests, {failures} failed",
            self.minutes, self.seed
        )?;
        writeln!(f, "{}", self.server)?;
        if let Some(failed) = &self.done.failed {
            writeln!(f, "the first that failed: {failed}")?;
        }
        writeln!(
            f,
            "measured every second; looked at from {WARM_UP:.0} s on, when the longest calls have come and gone once; the same calls come in \
             rounds of {ROUND:.0} s: slopes are medians of those between the same 10 s of any two rounds (Sen's, for seasons)"
        )?;
        if let Some((least, most)) = self.live {
            writeln!(f, "{least} to {most} calls were live meanwhile")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "{:12} {:>10} {:>10} {:>12} {:>10} {:>10}",
            "", "first", "last", "a minute", "growth", "allowed"
        )?;
        for (name, unit, trend) in &self.trends {
            let Some(trend) = trend else {
                writeln!(f, "{name:12} too short to tell")?;
                continue;
            };
            let sign = |value: f64| format!("{}{}", if value < 0.0 { "" } else { "+" }, unit.show(value));
            writeln!(
                f,
                "{name:12} {:>10} {:>10} {:>12} {:>10} {:>10}  {}",
                unit.show(trend.first),
                unit.show(trend.last),
                sign(trend.slope),
                sign(trend.growth()),
                unit.show(trend.allowed),
                if trend.is_flat() { "flat" } else { "NOT FLAT" }
            )?;
        }
        writeln!(
            f,
            "memory at the most {}, and in MB, in equal steps: {}",
            Unit::Megabytes.show(self.peak as f64),
            self.in_steps.join(" ")
        )?;
        let (before, after) = (self.before, self.after);
        writeln!(
            f,
            "before the first call and after the last: memory {} and {}, descriptors {} and {}, threads {} and {}: {}",
            Unit::Megabytes.show(before.memory as f64),
            Unit::Megabytes.show(after.memory as f64),
            before.descriptors,
            after.descriptors,
            before.threads,
            after.threads,
            if self.is_settled() { "given back" } else { "NOT GIVEN BACK" }
        )?;
        let refused = if self.refused.is_empty() { "nothing".to_owned() } else { self.refused.join(", ") };
        writeln!(f, "counted at limits: {refused}; panics: {}", self.panics)?;
        let verdict = match (self.is_well(), self.is_told()) {
            (true, _) => "flat",
            (_, false) => "TOO SHORT to tell",
            _ => "FAILED",
        };
        write!(f, "verdict: {verdict}")
    }
}

/// Memory in steps of equal length, of which there are few enough for a line.
fn in_steps(samples: &[Sample]) -> Vec<String> {
    let step = samples.len().div_ceil(STEPS).max(1);
    let last = samples.iter().skip(step - 1).step_by(step);
    last.map(|sample| format!("{:.1}", sample.held.memory as f64 / 1e6)).collect()
}

/// The counters in a health report that are not zero.
fn refused(health: &[u8]) -> Vec<String> {
    let health: Value = serde_json::from_slice(health).unwrap_or_default();
    let counters = [&health["refused"], &health["recorder"]["refused"]];
    let counters = counters.into_iter().filter_map(Value::as_object).flatten();
    let met = counters.filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0));
    met.map(|(name, count)| format!("{name} {count}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::LEAST_MINUTES;
    use super::*;

    /// Ten minutes in which there are ever more calls for two, and 20 to 60 then; each holds half a megabyte and three descriptors, beside
    /// what grows by so much a minute.
    fn report(minutes: u64, bytes: f64, descriptors: f64) -> Report {
        let held = |live: u64, at: f64| Held {
            memory: 15_000_000 + live * 500_000 + (bytes * at / 60.0) as u64,
            descriptors: 20 + 3 * live + (descriptors * at / 60.0) as u64,
            threads: 12,
        };
        let samples: Vec<_> = (0..minutes * 60)
            .map(|second| {
                let live = (second / 3).min(40) + if second > 120 { second * 7 % 41 } else { 20 } - 20;
                Sample { at: second as f64, live, held: held(live, second as f64) }
            })
            .collect();
        let options = Options { minutes, live: 40, server: None, work: None, formats: Vec::new(), seed: 1 };
        Report::new(&options, "callrec".to_owned(), Done::default(), [held(0, 0.0); 2], &samples, b"{}", "")
    }

    #[test]
    fn calls_that_come_and_go_are_flat_though_there_are_more_of_them_at_first() {
        let report = report(10, 0.0, 0.0);
        assert!(report.is_well(), "{report}");
        assert!(report.to_string().ends_with("verdict: flat"), "{report}");
    }

    #[test]
    fn memory_or_descriptors_that_stay_with_each_call_are_found() {
        // A hundred and sixty calls a minute: 4.3 kB of each, or the descriptor of every twelfth.
        for (bytes, descriptors) in [(700_000.0, 0.0), (0.0, 14.0)] {
            let report = report(10, bytes, descriptors);
            assert!(!report.is_flat() && report.is_told(), "{report}");
        }
    }

    #[test]
    fn of_less_than_two_rounds_behind_the_longest_calls_nothing_is_said() {
        for minutes in [4, LEAST_MINUTES - 1] {
            let report = report(minutes, 0.0, 0.0);
            assert!(!report.is_well() && !report.is_told(), "{report}");
            assert!(report.to_string().ends_with("verdict: TOO SHORT to tell"), "{report}");
        }
        assert!(report(LEAST_MINUTES, 0.0, 0.0).is_told());
    }
}
