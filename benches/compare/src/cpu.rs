//! What a process took: its CPU time and that of its children, and its peak memory.

use anyhow::{Context as _, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::process::{Command, Stdio};
use std::time::Duration;
use wait4::Wait4 as _;

/// What one run of a command took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// User and system time, of its children too.
    pub(crate) cpu: Duration,
    /// The most memory that it, or any one of its children, had resident at once, in bytes. Linux counts from before the program
    /// was loaded, so it is no less than what the process that started it ever had: see [`own_peak`].
    pub(crate) peak: u64,
}

/// Runs a command to its end.
///
/// # Errors
/// It could not be run, or failed; the error has what it said.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<Taken> {
    let what = format!("{command:?}");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("{what} could not be run"))?;
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        std::io::Read::read_to_string(&mut stderr, &mut said)?;
    }
    let ended = child.wait4()?;
    ensure!(ended.status.success(), "{what} failed: {said}");
    let usage = ended.rusage;
    Ok(Taken { cpu: usage.utime + usage.stime, peak: usage.maxrss })
}

/// The most memory that this process had resident at once, in bytes; 0 where that cannot be known.
pub(crate) fn own_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

/// How often jobs are run, and which.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) runs: u64,
    pub(crate) only: &'a [String],
}

impl Bench<'_> {
    /// Whether the job of this name is to be run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }

    /// Shows how far the runs of a job have come, of which each has so many parts.
    pub(crate) fn progress(&self, name: &str, parts: u64) -> ProgressBar {
        let bar = ProgressBar::new(parts * self.runs).with_message(name.to_owned());
        if let Ok(style) = ProgressStyle::with_template("  {msg:32} {bar:40} {pos} of {len} runs, {eta} left")
        {
            bar.set_style(style);
        }
        bar
    }

    /// Runs all of them in turns; gives what each took, run by run.
    pub(crate) fn in_turns(
        &self,
        name: &str,
        sides: &[&dyn Fn() -> Command],
    ) -> anyhow::Result<Vec<Vec<Taken>>> {
        let bar = self.progress(name, sides.len() as u64);
        let mut taken = vec![Vec::new(); sides.len()];
        for _ in 0..self.runs {
            for (side, taken) in sides.iter().zip(&mut taken) {
                taken.push(run(&mut side())?);
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        Ok(taken)
    }
}

/// Of each run the seconds of CPU time.
pub(crate) fn seconds(runs: &[Taken]) -> Vec<f64> {
    runs.iter().map(|taken| taken.cpu.as_secs_f64()).collect()
}

/// Of each run the peak memory, in MB.
pub(crate) fn peaks(runs: &[Taken]) -> Vec<f64> {
    runs.iter().map(|taken| taken.peak as f64 / 1e6).collect()
}
