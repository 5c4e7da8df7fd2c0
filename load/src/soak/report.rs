//! What came of a soak, as a table with a verdict.

use serde_json::Value;
use std::fmt;

use super::process::Held;
use super::trend::Trend;
use super::{Done, Options};

/// The share of the time at the beginning that is not looked at. Calls are as many as there will be after two minutes; what the
/// system's allocator holds back, an arena for each thread, is as much as it will be after five or so.
const WARM_UP: f64 = 0.5;

/// In how many steps memory is told.
const STEPS: usize = 20;

/// What came of it.
#[derive(Debug)]
pub struct Report {
    minutes: u64,
    seed: u64,
    done: Done,
    before: Held,
    after: Held,
    warm_up: f64,
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
    Pieces,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Megabytes => format!("{:.2} MB", value / 1e6),
            Self::Pieces => format!("{value:.1}"),
        }
    }
}

impl Report {
    pub(super) fn new(
        options: &Options,
        done: Done,
        before: Held,
        samples: &[(f64, Held)],
        after: Held,
        health: &[u8],
        log: &str,
    ) -> Self {
        let warm_up = options.minutes as f64 * 60.0 * WARM_UP;
        let late = samples.iter().filter(|(at, _)| *at >= warm_up);
        let of = |what: fn(&Held) -> u64, share: f64, least: f64| {
            let samples: Vec<_> = late.clone().map(|(at, held)| (*at, what(held) as f64)).collect();
            Trend::of(&samples, share, least)
        };
        Self {
            minutes: options.minutes,
            seed: options.seed,
            done,
            before,
            after,
            warm_up,
            in_steps: in_steps(samples),
            trends: [
                ("memory", Unit::Megabytes, of(|held| held.memory, 0.03, 2e6)),
                ("descriptors", Unit::Pieces, of(|held| held.descriptors, 0.05, 3.0)),
                ("threads", Unit::Pieces, of(|held| held.threads, 0.0, 1.0)),
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

    /// Why a call or a request failed, if one did.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.done.failed.as_deref()
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
        let Done { calls, one_way, broken_off, requests, failures, .. } = &self.done;
        writeln!(
            f,
            "soak of {} min, seed {}: {calls} calls ({one_way} one-way, {broken_off} broken off), {requests} requests, \
             {failures} failed",
            self.minutes, self.seed
        )?;
        if let Some(failed) = &self.done.failed {
            writeln!(f, "the first that failed: {failed}")?;
        }
        writeln!(
            f,
            "measured every second from {:.0} s on; slopes by Theil and Sen, of medians of 10 s\n",
            self.warm_up
        )?;
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
        writeln!(f, "memory in MB, in equal steps: {}", self.in_steps.join(" "))?;
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
        write!(f, "verdict: {}", if self.is_well() { "flat" } else { "FAILED" })
    }
}

/// Memory in steps of equal length, of which there are few enough for a line.
fn in_steps(samples: &[(f64, Held)]) -> Vec<String> {
    let step = samples.len().div_ceil(STEPS).max(1);
    let last = samples.iter().skip(step - 1).step_by(step);
    last.map(|(_, held)| format!("{:.1}", held.memory as f64 / 1e6)).collect()
}

/// The counters in a health report that are not zero.
fn refused(health: &[u8]) -> Vec<String> {
    let health: Value = serde_json::from_slice(health).unwrap_or_default();
    let counters = [&health["refused"], &health["recorder"]["refused"]];
    let counters = counters.into_iter().filter_map(Value::as_object).flatten();
    let met = counters.filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0));
    met.map(|(name, count)| format!("{name} {count}")).collect()
}
