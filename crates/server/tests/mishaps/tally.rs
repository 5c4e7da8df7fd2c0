//! All kills together: which phases they hit, and what was lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::calls::{LIVE, Sent};
use crate::judge::Lost;
use crate::left::{Leavings, Phase};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    kills: u64,
    again: u64,
    calls: usize,
    /// Of each phase, calls that were in it, and kills that found any.
    phases: BTreeMap<Phase, (u64, u64)>,
    in_between: u64,
    lost: Vec<(Phase, Lost)>,
    recovered: Vec<Duration>,
    late: Vec<Duration>,
}

impl Tally {
    /// One kill.
    pub(crate) fn add(
        &mut self,
        calls: &[Sent],
        left: &Leavings,
        lost: Vec<(Phase, Lost)>,
        recovered: Duration,
        again: bool,
    ) {
        self.kills += 1;
        self.again += u64::from(again);
        self.calls += calls.len();
        for left in left.calls.values() {
            self.phases.entry(left.phase).or_default().0 += 1;
        }
        let phases: BTreeSet<Phase> = left.calls.values().map(|left| left.phase).collect();
        for phase in &phases {
            self.phases.entry(*phase).or_default().1 += 1;
        }
        self.in_between += u64::from(phases.iter().any(|phase| phase.is_in_between()));
        self.lost.extend(lost);
        self.recovered.push(recovered);
        self.late.push(calls.iter().map(|sent| sent.late).max().unwrap_or_default());
    }

    /// Kills that found a recording between hang-up and the journal's removal.
    pub(crate) fn in_between(&self) -> u64 {
        self.in_between
    }

    /// How long before the kill the first was sent that was lost.
    pub(crate) fn worst(&self) -> Duration {
        self.lost.iter().map(|(_, lost)| lost.age).max().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, again, calls, in_between, .. } = self;
        writeln!(
            f,
            "{kills} kills with {LIVE} calls live at each, {calls} calls in all; {again} servers were killed again while they recovered"
        )?;
        writeln!(f, "{:<42} {:>7} {:>6}", "phase at the kill", "calls", "kills")?;
        let most = self.phases.values().map(|(calls, _)| *calls).max().unwrap_or(1);
        for (phase, name) in Phase::ALL {
            let (calls, kills) = self.phases.get(&phase).copied().unwrap_or_default();
            let bar = "#".repeat((calls * 30).div_ceil(most) as usize);
            writeln!(f, "{name:<42} {calls:>7} {kills:>6} {bar}")?;
        }
        let share = in_between * 100 / kills.max(&1);
        writeln!(f, "{in_between} kills ({share} %) between hang-up and the journal's removal")?;
        writeln!(f, "{:<60} {:>7} {:>7} {:>7}", "lost", "median", "p99", "max")?;
        let ages = |of: &dyn Fn(Phase, &Lost) -> bool| {
            self.lost
                .iter()
                .filter(|(phase, lost)| of(*phase, lost))
                .map(|(_, lost)| millis(lost.age))
                .collect()
        };
        row(f, "calls without a journal yet: begun so long before, ms", ages(&|_, lost| lost.all))?;
        let live = |phase: Phase| phase <= Phase::HungUp;
        row(
            f,
            "live calls: the first that is lost was sent so long before, ms",
            ages(&|phase, lost| live(phase) && !lost.all),
        )?;
        row(f, "calls whose end was in the journal: the same, ms", ages(&|phase, _| !live(phase)))?;
        for (track, who) in ["caller", "assistant (both tracks sent)"].iter().enumerate() {
            let lost = self.lost.iter().filter(|(phase, lost)| live(*phase) && !lost.all);
            let audio = lost.map(|(_, lost)| lost.frames[track] * 20).collect();
            row(f, &format!("live calls: audio of the {who}, ms"), audio)?;
        }
        row(
            f,
            "time from the start to the last recording recovered, ms",
            self.recovered.iter().copied().map(millis).collect(),
        )?;
        row(
            f,
            "frames sent late by this machine, the worst of each kill, ms",
            self.late.iter().copied().map(millis).collect(),
        )
    }
}

fn millis(time: Duration) -> u64 {
    time.as_micros().div_ceil(1_000) as u64
}

fn row(f: &mut fmt::Formatter<'_>, what: &str, mut values: Vec<u64>) -> fmt::Result {
    values.sort_unstable();
    let at =
        |share: f64| values.get(((values.len() as f64 * share) as usize).min(values.len().saturating_sub(1)));
    let shown = |value: Option<&u64>| value.map_or_else(|| "-".to_owned(), u64::to_string);
    let (median, p99, max) = (shown(at(0.5)), shown(at(0.99)), shown(values.last()));
    writeln!(f, "{:<60} {median:>7} {p99:>7} {max:>7}   of {}", what, values.len())
}
