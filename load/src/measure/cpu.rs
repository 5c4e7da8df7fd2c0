//! What each part of the server takes of a processor, by its threads.

use anyhow::Context as _;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// CPU time, user and system, by what it was for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Cpu<T> {
    /// The sockets' threads: forwarding, and reading what is to be recorded.
    pub(crate) sockets: T,
    /// The threads that write the journals and sync them.
    pub(crate) journal: T,
    /// The threads that bring takes up to date: timeline, resampling, encoding, reading back.
    pub(crate) encode: T,
    /// All others.
    pub(crate) other: T,
}

/// The CPU times of a process and of its threads, at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    all: Duration,
    /// By number.
    threads: HashMap<u32, (Part, Duration)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Sockets,
    Journal,
    Encode,
    Other,
}

impl Part {
    /// By a thread's name, of which the system keeps 15 bytes.
    fn of(name: &str) -> Self {
        match name {
            "callrec-journal" | "callrec-sync" => Self::Journal,
            "callrec-worker" => Self::Encode,
            name if name.starts_with("actix-") => Self::Sockets,
            _ => Self::Other,
        }
    }
}

impl Snapshot {
    /// Of a process.
    pub(crate) fn of(process: &str) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (_, all) = parse(&stat).context("a process without times")?;
        let mut threads = HashMap::new();
        for entry in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let entry = entry?;
            // One that has ended meanwhile has no times any more; the process has.
            if let Ok(number) = entry.file_name().to_string_lossy().parse()
                && let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
                && let Some((name, time)) = parse(&stat)
            {
                threads.insert(number, (Part::of(name), time));
            }
        }
        Ok(Self { all, threads })
    }

    /// What was taken since an earlier one.
    pub(crate) fn since(&self, earlier: &Self) -> Cpu<Duration> {
        let mut cpu = Cpu::default();
        let mut rest = self.all.saturating_sub(earlier.all);
        for (number, (part, time)) in &self.threads {
            let before = earlier.threads.get(number).map_or(Duration::ZERO, |(_, time)| *time);
            let taken = time.saturating_sub(before);
            let sum = match part {
                Part::Sockets => &mut cpu.sockets,
                Part::Journal => &mut cpu.journal,
                Part::Encode => &mut cpu.encode,
                Part::Other => continue,
            };
            *sum += taken;
            rest = rest.saturating_sub(taken);
        }
        cpu.other = rest;
        cpu
    }
}

impl Cpu<Duration> {
    pub(crate) fn all(&self) -> Duration {
        self.sockets + self.journal + self.encode + self.other
    }
}

impl<T> Cpu<T> {
    pub(crate) fn map<U>(self, each: impl Fn(T) -> U) -> Cpu<U> {
        let Self { sockets, journal, encode, other } = self;
        Cpu { sockets: each(sockets), journal: each(journal), encode: each(encode), other: each(other) }
    }
}

/// The name, and user and system time together, of a line of `stat` (proc_pid_stat(5)).
fn parse(stat: &str) -> Option<(&str, Duration)> {
    let (begins, ends) = (stat.find('(')?, stat.rfind(')')?);
    let ticks = |at: usize| stat[ends + 1..].split_whitespace().nth(at)?.parse::<u64>().ok();
    // Fields 14 and 15; the first behind the name is the third.
    let ticks = ticks(11)? + ticks(12)?;
    let time = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some((&stat[begins + 1..ends], time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything_and_both_times_are_counted() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 24 0 0 0 300 200 0 0 20 0 1 0";
        let (name, time) = parse(line).unwrap();
        assert_eq!(name, "a) b");
        assert_eq!(time.as_secs_f64() * rustix::param::clock_ticks_per_second() as f64, 500.0);
        assert!(parse("").is_none() && parse("7 (a").is_none());
    }

    #[test]
    fn time_is_told_by_part_and_what_ended_threads_took_is_not_lost() {
        let seconds = Duration::from_secs;
        let earlier = Snapshot { all: seconds(10), threads: [(1, (Part::Sockets, seconds(4)))].into() };
        let threads = [(1, (Part::Sockets, seconds(6))), (2, (Part::Encode, seconds(3)))].into();
        let later = Snapshot { all: seconds(17), threads };
        let cpu = later.since(&earlier);
        let expected =
            Cpu { sockets: seconds(2), encode: seconds(3), journal: seconds(0), other: seconds(2) };
        assert_eq!((cpu, cpu.all()), (expected, seconds(7)));
    }
}
