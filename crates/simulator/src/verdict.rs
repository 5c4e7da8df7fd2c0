//! Holds what was recorded against what was heard.

use crate::{Run, Truth};

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
    /// Of the beginnings, those of which something is missing.
    pub starts_missing: u64,
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
        let largest = [
            self.judge_starts(seed, truth, recorded),
            self.judge_frames(seed, truth, recorded),
            self.judge_cuts(seed, truth, recorded),
        ];
        let largest = largest.into_iter().max().unwrap_or(0).div_ceil(MS);
        self.uncalibrated += u64::from(!claim.calibrated);
        self.understated += u64::from(claim.calibrated && claim.largest_error_ms < largest);
        self.late_news += claim.late_news;
    }

    /// Where what was heard behind a pause begins. Of a beginning that is missing, the speech that is missing is the error.
    /// Returns the largest, in samples.
    fn judge_starts(&mut self, seed: u64, truth: &Truth, recorded: &[Run]) -> u64 {
        let (mut largest, mut before) = (0, None);
        for run in &truth.heard {
            if before.is_none_or(|end| end < run.at) {
                let first = overlapping(recorded, run).next();
                let missing = first.map_or(run.samples, |part| part.first.saturating_sub(run.first));
                let off = first.map_or(0, |part| {
                    let from = part.first.max(run.first);
                    (part.at + from - part.first).abs_diff(run.at + from - run.first)
                });
                self.starts.add(seed, off.max(missing), 1);
                self.starts_missing += u64::from(missing > 0);
                largest = largest.max(off.max(missing));
            }
            before = Some(run.at + run.samples);
        }
        largest
    }

    /// Where every sample is that was heard, which of them are missing, and which are there that were not heard. Returns the
    /// largest error, or the longest stretch without a pause that is missing or that is too much, in samples.
    fn judge_frames(&mut self, seed: u64, truth: &Truth, recorded: &[Run]) -> u64 {
        let mut largest = 0;
        for run in &truth.heard {
            self.heard += run.samples;
            let mut next = run.first;
            for part in overlapping(recorded, run) {
                let (from, end) = common(part, run);
                let off = (part.at + from - part.first).abs_diff(run.at + from - run.first);
                self.frames.add(seed, off, end - from);
                self.missing += from - next;
                largest = largest.max(off).max(from - next);
                next = end;
            }
            let left = run.first + run.samples - next;
            self.missing += left;
            largest = largest.max(left);
        }
        for run in recorded {
            let mut next = run.first;
            for part in overlapping(&truth.heard, run) {
                let (from, end) = common(part, run);
                self.unheard_present += from - next;
                largest = largest.max(from - next);
                next = end;
            }
            let left = run.first + run.samples - next;
            self.unheard_present += left;
            largest = largest.max(left);
        }
        largest
    }

    /// How much speech too much or too little there is before a clear, and how far off the place is at which it ends, if
    /// some of it was heard. Returns the largest, in samples.
    fn judge_cuts(&mut self, seed: u64, truth: &Truth, recorded: &[Run]) -> u64 {
        let (mut largest, mut cleared_before) = (0, 0);
        for cut in &truth.cuts {
            let sent = cleared_before..cut.sent;
            let (heard, last) = (last_of(&truth.heard, &sent), last_of(recorded, &sent));
            let end = |run: Option<&Run>| run.map_or(sent.start, |run| sent.end.min(run.first + run.samples));
            let speech = end(last).abs_diff(end(heard));
            // Speech that was all heard before the clear, and speech of which nothing was, ends nowhere near it.
            let place = match (heard, last) {
                (Some(heard), Some(last))
                    if heard.at + heard.samples == cut.at && last.first + last.samples > heard.first =>
                {
                    (last.at + last.samples).abs_diff(cut.at)
                }
                _ => 0,
            };
            self.cuts.add(seed, speech.max(place), 1);
            largest = largest.max(speech.max(place));
            cleared_before = cut.sent;
        }
        largest
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

/// The last that was heard of what was sent.
fn last_of<'a>(runs: &'a [Run], sent: &std::ops::Range<u64>) -> Option<&'a Run> {
    let run = runs[..runs.partition_point(|run| run.first < sent.end)].last()?;
    (run.first + run.samples > sent.start).then_some(run)
}

fn overlapping<'a>(runs: &'a [Run], with: &Run) -> impl Iterator<Item = &'a Run> + use<'a> {
    let (first, end) = (with.first, with.first + with.samples);
    let from = runs.partition_point(|run| run.first + run.samples <= first);
    runs[from..].iter().take_while(move |run| run.first < end)
}

/// The numbers that two runs share: the first, and the one behind the last.
fn common(one: &Run, other: &Run) -> (u64, u64) {
    (one.first.max(other.first), (one.first + one.samples).min(other.first + other.samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cut;

    /// A sentence, of 800 samples, 80 of which were cut, and a word of which nothing was heard.
    fn truth() -> Truth {
        let heard = vec![Run { first: 0, at: 1_600, samples: 720 }];
        let cuts =
            vec![Cut { at: 2_320, samples: 80, sent: 800 }, Cut { at: 2_320, samples: 160, sent: 960 }];
        Truth { heard, cuts, ..Truth::default() }
    }

    fn judged(recorded: &[Run]) -> Verdict {
        let claim = Claim { calibrated: true, largest_error_ms: 9, late_news: 0 };
        let mut verdict = Verdict::default();
        verdict.add(1, &truth(), recorded, claim);
        assert_eq!((verdict.starts.count(), verdict.cuts.count()), (1, 2));
        verdict
    }

    fn worst(verdict: &Verdict) -> (u64, u64, u64) {
        (verdict.starts.worst(), verdict.cuts.worst(), verdict.frames.worst())
    }

    #[test]
    fn what_is_recorded_as_it_was_heard_is_without_error() {
        let verdict = judged(&truth().heard);
        assert_eq!((worst(&verdict), verdict.understated), ((0, 0, 0), 0));
        assert_eq!((verdict.missing, verdict.unheard_present, verdict.starts_missing), (0, 0, 0));
    }

    #[test]
    fn speech_that_is_moved_is_off_at_both_ends() {
        let verdict = judged(&[Run { first: 0, at: 1_680, samples: 720 }]);
        assert_eq!((worst(&verdict), verdict.understated), ((10, 10, 10), 1));
    }

    #[test]
    fn a_beginning_that_is_missing_is_an_error_of_what_is_missing() {
        let verdict = judged(&[Run { first: 80, at: 1_680, samples: 640 }]);
        assert_eq!((worst(&verdict), verdict.understated), ((10, 0, 0), 1));
        assert_eq!((verdict.missing, verdict.starts_missing), (80, 1));
        let verdict = judged(&[]);
        assert_eq!((worst(&verdict), verdict.understated), ((90, 90, 0), 1));
        assert_eq!((verdict.missing, verdict.starts_missing), (720, 1));
    }

    #[test]
    fn speech_beyond_a_cut_is_an_error_though_nothing_else_of_it_was_heard() {
        let sentence = Run { first: 0, at: 1_600, samples: 720 };
        let verdict = judged(&[sentence, Run { first: 800, at: 2_320, samples: 80 }]);
        assert_eq!((worst(&verdict), verdict.unheard_present, verdict.understated), ((0, 10, 0), 80, 1));
        let verdict = judged(&[Run { first: 0, at: 1_600, samples: 800 }]);
        assert_eq!((worst(&verdict), verdict.unheard_present), ((0, 10, 0), 80));
    }

    #[test]
    fn a_cut_too_early_is_an_error_of_what_is_missing() {
        let verdict = judged(&[Run { first: 0, at: 1_600, samples: 640 }]);
        assert_eq!((worst(&verdict), verdict.missing, verdict.understated), ((0, 10, 0), 80, 1));
    }
}
