//! Holds what was recorded against what was heard.

use callrec_simulator::{Cut, Run, Truth};

use crate::recorder::Recording;

/// Samples in a millisecond.
const MS: u64 = 8;

/// Errors over many calls. Those of time are in milliseconds; those of frames count samples.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) calls: u64,
    pub(crate) starts: Errors,
    pub(crate) cuts: Errors,
    pub(crate) frames: Errors,
    pub(crate) heard: u64,
    pub(crate) missing: u64,
    pub(crate) unheard_present: u64,
    /// Calls whose recording says that it is more accurate than it is.
    pub(crate) understated: u64,
    /// Calls whose recording says that it is not calibrated.
    pub(crate) uncalibrated: u64,
    /// What contradicted what was given out.
    pub(crate) late_news: u64,
    /// Marks that were sent.
    pub(crate) marks: u64,
}

/// How often an error was how large, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    counts: std::collections::BTreeMap<u64, u64>,
    worst: (u64, u64),
}

impl Errors {
    fn add(&mut self, seed: u64, samples_off: u64, times: u64) {
        let ms = samples_off.div_ceil(MS);
        self.worst = self.worst.max((ms, seed));
        *self.counts.entry(ms).or_default() += times;
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The share, in percent, of errors of at most so many milliseconds.
    pub(crate) fn within(&self, ms: u64) -> f64 {
        let within: u64 = self.counts.range(..=ms).map(|(_, count)| count).sum();
        100.0 * within as f64 / self.count().max(1) as f64
    }

    /// How many are larger than so many milliseconds.
    pub(crate) fn beyond(&self, ms: u64) -> u64 {
        self.counts.range(ms + 1..).map(|(_, count)| count).sum()
    }

    /// The largest, in milliseconds.
    pub(crate) fn worst(&self) -> u64 {
        self.worst.0
    }

    /// The seed of a call that has it.
    pub(crate) fn worst_seed(&self) -> u64 {
        self.worst.1
    }
}

impl Verdict {
    /// Adds a call.
    pub(crate) fn add(&mut self, seed: u64, truth: &Truth, recording: &Recording) {
        let recorded = &recording.heard[..];
        self.calls += 1;
        self.marks += truth.marks;
        let mut largest = 0;
        let mut before = None;
        for run in &truth.heard {
            self.heard += run.samples;
            // What was heard behind a pause begins a spurt.
            if before.is_none_or(|end| end < run.at)
                && let Some(at) = place(recorded, run.first)
            {
                self.starts.add(seed, at.abs_diff(run.at), 1);
            }
            before = Some(run.at + run.samples);
            let mut recorded_samples = 0;
            for part in overlapping(recorded, run) {
                let from = part.first.max(run.first);
                let samples = (part.first + part.samples).min(run.first + run.samples) - from;
                let off = (part.at + from - part.first).abs_diff(run.at + from - run.first);
                self.frames.add(seed, off, samples);
                largest = largest.max(off.div_ceil(MS));
                recorded_samples += samples;
            }
            self.missing += run.samples - recorded_samples;
        }
        for run in recorded {
            let heard: u64 = overlapping(&truth.heard, run)
                .map(|part| {
                    (part.first + part.samples).min(run.first + run.samples) - part.first.max(run.first)
                })
                .sum();
            self.unheard_present += run.samples - heard;
        }
        for cut in &truth.cuts {
            if let (Some(recorded), Some(heard)) =
                (last_before(recorded, cut), last_before(&truth.heard, cut))
                && heard.at + heard.samples == cut.at
            {
                // How much speech too much or too little there is at the cut, and how far off its place is.
                let speech = (recorded.first + recorded.samples).abs_diff(heard.first + heard.samples);
                let same = recorded.first + recorded.samples > heard.first;
                let place = if same { (recorded.at + recorded.samples).abs_diff(cut.at) } else { 0 };
                self.cuts.add(seed, speech.max(place), 1);
                largest = largest.max(speech.max(place).div_ceil(MS));
            }
        }
        let playout = recording.completeness.playout.clone().unwrap_or_default();
        self.uncalibrated += u64::from(!playout.calibrated);
        self.understated += u64::from(playout.calibrated && playout.largest_error_ms < largest);
        self.late_news += playout.late_news;
    }

    pub(crate) fn missing_percent(&self) -> f64 {
        100.0 * self.missing as f64 / self.heard.max(1) as f64
    }

    pub(crate) fn unheard_percent(&self) -> f64 {
        100.0 * self.unheard_present as f64 / self.heard.max(1) as f64
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} calls", self.calls)?;
        for (what, errors) in [("starts", &self.starts), ("cuts", &self.cuts), ("frames", &self.frames)] {
            write!(f, "; {what}: {:.2} % within 20 ms, worst {} ms", errors.within(20), errors.worst())?;
        }
        write!(f, "; missing {:.4} %, unheard {:.4} %", self.missing_percent(), self.unheard_percent())?;
        write!(
            f,
            "; {} understated, {} late news, {} marks a call",
            self.understated,
            self.late_news,
            self.marks / self.calls.max(1)
        )
    }
}

/// The last that was heard before a cut.
fn last_before<'a>(runs: &'a [Run], cut: &Cut) -> Option<&'a Run> {
    runs[..runs.partition_point(|run| run.first < cut.sent)].last()
}

fn overlapping<'a>(runs: &'a [Run], with: &Run) -> impl Iterator<Item = &'a Run> + use<'a> {
    let (first, end) = (with.first, with.first + with.samples);
    let from = runs.partition_point(|run| run.first + run.samples <= first);
    runs[from..].iter().take_while(move |run| run.first < end)
}

/// Where a sample was heard.
fn place(runs: &[Run], number: u64) -> Option<u64> {
    let index = runs.partition_point(|run| run.first + run.samples <= number);
    runs.get(index).filter(|run| run.first <= number).map(|run| run.at + number - run.first)
}
