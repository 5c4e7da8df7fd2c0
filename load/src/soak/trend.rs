//! Whether a number that is measured again and again, while the same happens in rounds, stays where it is.

/// A measurement: seconds since the beginning, and what was measured.
pub(crate) type Sample = (f64, f64);

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    /// At the beginning and at the end of the time that was looked at, by the line that fits.
    pub(crate) first: f64,
    pub(crate) last: f64,
    /// How much it grows a minute.
    pub(crate) slope: f64,
    /// How much it may have grown.
    pub(crate) allowed: f64,
}

/// Samples are joined to medians of so many seconds, of which a round has a whole number.
const BUCKET: f64 = 10.0;

impl Trend {
    /// Of what was measured in rounds of so many seconds; what may have been added is a share of it, and at least so much. None of fewer
    /// than two rounds.
    ///
    /// The slope is Sen's for seasons (Hirsch, Slack and Smith, 1982): the median of the slopes between any two points at the same place
    /// of their rounds. What goes up and down within a round does not turn it, nor does a peak, or a third of the samples being wild.
    pub(crate) fn of(samples: &[Sample], round: f64, share: f64, least: f64) -> Option<Self> {
        let points = medians(samples);
        let (first, last) = (points.first()?.0, points.last()?.0);
        let is_same_place = |one: Sample, other: Sample| {
            let rounds = (other.0 - one.0) / round;
            rounds > 0.5 && (rounds - rounds.round()).abs() * round < BUCKET / 2.0
        };
        let pairs = points.iter().flat_map(|one| points.iter().map(move |other| (*one, *other)));
        let mut slopes: Vec<f64> = pairs
            .filter(|(one, other)| is_same_place(*one, *other))
            .map(|(one, other)| (other.1 - one.1) / (other.0 - one.0))
            .collect();
        if slopes.len() < (round / BUCKET) as usize {
            return None;
        }
        let slope = median(&mut slopes);
        let mut heights: Vec<f64> = points.iter().map(|(at, value)| value - slope * at).collect();
        let height = median(&mut heights);
        let mut values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
        let allowed = (share * median(&mut values)).max(least);
        Some(Self {
            first: height + slope * first,
            last: height + slope * last,
            slope: slope * 60.0,
            allowed,
        })
    }

    pub(crate) fn growth(&self) -> f64 {
        self.last - self.first
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.growth() <= self.allowed
    }
}

fn medians(samples: &[Sample]) -> Vec<Sample> {
    let place = |(at, _): &Sample| (at / BUCKET).floor();
    let buckets = samples.chunk_by(|one, other| place(one) == place(other));
    buckets
        .map(|bucket| {
            let mut values: Vec<f64> = bucket.iter().map(|(_, value)| *value).collect();
            ((place(&bucket[0]) + 0.5) * BUCKET, median(&mut values))
        })
        .collect()
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callrec_simulator::Luck;

    const ROUND: f64 = 60.0;

    /// Eight minutes of samples around 40,000, that go up and down by a quarter of it with each round and by some at random, and grow by so
    /// much a minute.
    fn samples(growth: f64) -> Vec<Sample> {
        let mut luck = Luck::new(7);
        (0..480)
            .map(|second| {
                let noise = luck.between(0, 2_000) as f64 - 1_000.0;
                let peak = if luck.percent(10) { 20_000.0 } else { 0.0 };
                let tide = 10_000.0 * (f64::from(second) / ROUND * std::f64::consts::TAU).sin();
                (f64::from(second), 40_000.0 + tide + noise + peak + growth * f64::from(second) / 60.0)
            })
            .collect()
    }

    #[test]
    fn what_only_goes_up_and_down_is_flat_whatever_its_peaks() {
        let trend = Trend::of(&samples(0.0), ROUND, 0.03, 2_000.0).unwrap();
        assert!(trend.is_flat() && trend.growth().abs() < 500.0, "{trend:?}");
        assert_eq!(trend.allowed, 2_000.0);
    }

    #[test]
    fn what_grows_slowly_beneath_its_noise_is_not_flat_and_the_slope_is_told() {
        // A third of the noise a minute, and little beside what a round goes up and down.
        let trend = Trend::of(&samples(350.0), ROUND, 0.03, 2_000.0).unwrap();
        assert!(!trend.is_flat() && (trend.slope - 350.0).abs() < 50.0, "{trend:?}");
    }

    #[test]
    fn what_shrinks_is_flat_and_of_too_little_nothing_is_said() {
        assert!(Trend::of(&samples(-1_000.0), ROUND, 0.03, 0.0).unwrap().is_flat());
        assert_eq!(Trend::of(&samples(0.0)[..110], ROUND, 0.03, 0.0), None);
        assert_eq!(Trend::of(&[], ROUND, 0.03, 0.0), None);
    }
}
