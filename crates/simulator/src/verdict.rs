//! Holds what was recorded against what was heard.

use crate::{Cut, Run, Truth};

/// Samples in a millisecond.
const MS: u64 = 8;

/// What a recording says of its own accuracy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Claim {
    /// Marks told when speech was played.
    pub calibrated: bool,
    /// The largest error that is possible, in milliseconds.
    pub largest_error_ms: u64,
    /// How often what was given out was contradicted.
    pub late_news: u64,
}

/// Errors over many calls. Those of time are in milliseconds; those of frames count samples.
#[derive(Debug, Default)]
pub struct Verdict {
    /// How many calls.
    pub calls: u64,
    /// Of the beginnings of spurts.
    pub starts: Errors,
    /// Of the places at which clears cut.
    pub cuts: Errors,
    /// Of every sample that was heard and recorded.
    pub frames: Errors,
    /// Samples that were heard.
    pub heard: u64,
    /// Samples that were heard and are not recorded.
    pub missing: u64,
    /// Samples that are recorded and were not heard.
    pub unheard_present: u64,
    /// Calls whose recording says that it is more accurate than it is.
    pub understated: u64,
    /// Calls whose recording says that it is not calibrated.
    pub uncalibrated: u64,
    /// What contradicted what was given out.
    pub late_news: u64,
    /// Marks that were sent.
    pub marks: u64,
}

/// How often an error was how large, in milliseconds.
#[derive(Debug, Default)]
pub struct Errors {
    counts: std::collections::BTreeMap<u64, u64>,
    worst: (u64, u64),
}

impl Errors {
    fn add(&mut self, seed: u64, samples_off: u64, times: u64) {
        let ms = samples_off.div_ceil(MS);
        self.worst = self.worst.max((ms, seed));
        *self.counts.entry(ms).or_default() += times;
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The share, in percent, of errors of at most so many milliseconds.
    #[must_use]
    pub fn within(&self, ms: u64) -> f64 {
        let within: u64 = self.counts.range(..=ms).map(|(_, count)| count).sum();
        100.0 * within as f64 / self.count().max(1) as f64
    }

    /// How many are larger than so many milliseconds.
    #[must_use]
    pub fn beyond(&self, ms: u64) -> u64 {
        self.counts.range(ms + 1..).map(|(_, count)| count).sum()
    }

    /// The largest, in milliseconds.
    #[must_use]
    pub fn worst(&self) -> u64 {
        self.worst.0
    }

    /// The seed of a call that has it.
    #[must_use]
    pub fn worst_seed(&self) -> u64 {
        self.worst.1
    }
}

impl Verdict {
    /// Adds a call: what was heard, what is `recorded` of it, in the order in which it was sent, and what the recording
    /// says of itself.
    pub fn add(&mut self, seed: u64, truth: &Truth, recorded: &[Run], claim: Claim) {
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
        self.uncalibrated += u64::from(!claim.calibrated);
        self.understated += u64::from(claim.calibrated && claim.largest_error_ms < largest);
        self.late_news += claim.late_news;
    }

    /// The share of what was heard that is missing, in percent.
    #[must_use]
    pub fn missing_percent(&self) -> f64 {
        100.0 * self.missing as f64 / self.heard.max(1) as f64
    }

    /// What was not heard and is recorded, in percent of what was heard.
    #[must_use]
    pub fn unheard_percent(&self) -> f64 {
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
