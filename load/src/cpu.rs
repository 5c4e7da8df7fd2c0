//! What each part of the server takes of a processor, by its threads.

use anyhow::Context as _;
use serde::Serialize;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// CPU time, user and system, by what it was for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cpu<T> {
    /// The sockets' threads: forwarding, and reading what is to be recorded.
    pub sockets: T,
    /// The threads that write the journals and sync them.
    pub journal: T,
    /// The threads that bring takes up to date: timeline, resampling, encoding, reading back.
    pub encode: T,
    /// All others.
    pub other: T,
}

/// The CPU times of a process and of its threads, at one moment.
#[derive(Debug)]
pub struct Snapshot {
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
    /// Of a process by itself.
    ///
    /// # Errors
    /// It is gone.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let (_, all) = parse(&stat, 14..=15).context("a process without times")?;
        Self::by_thread(process, all)
    }

    /// Of a process and its children, living and gone; what they took is of no part.
    ///
    /// # Errors
    /// It is gone.
    pub fn with_children(process: u32) -> anyhow::Result<Self> {
        Self::by_thread(process, with_children(process)?)
    }

    fn by_thread(process: u32, all: Duration) -> anyhow::Result<Self> {
        let mut threads = HashMap::new();
        for entry in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let entry = entry?;
            // One that has ended meanwhile has no times any more; the process has.
            if let Ok(number) = entry.file_name().to_string_lossy().parse()
                && let Ok(stat) = std::fs::read_to_string(entry.path().join("stat"))
                && let Some((name, time)) = parse(&stat, 14..=15)
            {
                threads.insert(number, (Part::of(name), time));
            }
        }
        Ok(Self { all, threads })
    }

    /// What was taken since an earlier one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Cpu<Duration> {
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
    /// Of everything.
    #[must_use]
    pub fn all(&self) -> Duration {
        self.sockets + self.journal + self.encode + self.other
    }
}

impl<T> Cpu<T> {
    /// Each part as something else.
    #[must_use]
    pub fn map<U>(self, each: impl Fn(T) -> U) -> Cpu<U> {
        let Self { sockets, journal, encode, other } = self;
        Cpu { sockets: each(sockets), journal: each(journal), encode: each(encode), other: each(other) }
    }
}

/// CPU time of a process, of children that are gone, and of those that live.
fn with_children(process: u32) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields 14 and 15 are its own, 16 and 17 of children that were waited for.
    let (_, mut all) = parse(&stat, 14..=17).context("a process without times")?;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let children = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            all += with_children(child.parse()?)?;
        }
    }
    Ok(all)
}

/// The name, and the sum of these fields, which count ticks of the system's clock, of a line of `stat` (proc_pid_stat(5)).
fn parse(stat: &str, fields: RangeInclusive<usize>) -> Option<(&str, Duration)> {
    let (begins, ends) = (stat.find('(')?, stat.rfind(')')?);
    // The first behind the name is the third.
    let values: Vec<&str> = stat[ends + 1..].split_whitespace().collect();
    let mut ticks = 0;
    for field in fields {
        ticks += values.get(field - 3)?.parse::<u64>().ok()?;
    }
    let time = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some((&stat[begins + 1..ends], time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_name() {
        for (name, part) in [
            ("actix-rt|system", Part::Sockets),
            ("actix-server wo", Part::Sockets),
            ("callrec-journal", Part::Journal),
            ("callrec-sync", Part::Journal),
            ("callrec-worker", Part::Encode),
            ("callrec-space", Part::Other),
            ("callrec-recover", Part::Other),
            ("callrec", Part::Other),
        ] {
            assert_eq!(Part::of(name), part, "{name}");
            // None of these is longer than what the system keeps.
            assert!(name.len() <= 15, "{name}");
        }
    }

    #[test]
    fn a_name_may_hold_anything_and_both_times_are_counted() {
        let line = "7 (a) b) S 1 7 7 0 -1 4194560 24 0 0 0 300 200 0 0 20 0 1 0";
        let (name, time) = parse(line, 14..=15).unwrap();
        assert_eq!(name, "a) b");
        assert_eq!(time.as_secs_f64() * rustix::param::clock_ticks_per_second() as f64, 500.0);
        let (_, with_children) = parse(&line.replace(" 200 0 0 ", " 200 30 20 "), 14..=17).unwrap();
        assert_eq!(with_children.as_secs_f64() * rustix::param::clock_ticks_per_second() as f64, 550.0);
        assert!(parse("", 14..=15).is_none() && parse("7 (a) S 1", 14..=15).is_none());
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
