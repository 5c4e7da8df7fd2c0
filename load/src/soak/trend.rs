//! Whether a number that is measured again and again stays where it is.

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

/// Samples are joined to medians of so many seconds.
const BUCKET: f64 = 10.0;

impl Trend {
    /// Of what was measured; what may have been added is a share of it, and at least so much. None of fewer than three medians.
    ///
    /// The line is Theil's and Sen's: its slope is the median of the slopes between any two points, so that a peak, or a third of
    /// the samples being wild, does not turn it.
    pub(crate) fn of(samples: &[Sample], share: f64, least: f64) -> Option<Self> {
        let points = medians(samples);
        let (first, last) = (points.first()?.0, points.last()?.0);
        let mut slopes: Vec<f64> = points
            .iter()
            .enumerate()
            .flat_map(|(index, one)| points[index + 1..].iter().map(move |other| slope(*one, *other)))
            .collect();
        if slopes.len() < 3 {
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

fn slope(one: Sample, other: Sample) -> f64 {
    (other.1 - one.1) / (other.0 - one.0)
}

fn medians(samples: &[Sample]) -> Vec<Sample> {
    let mut points = Vec::new();
    let mut rest = samples;
    while let Some(&(begin, _)) = rest.first() {
        let length = rest.iter().take_while(|(at, _)| *at < begin + BUCKET).count();
        let (bucket, later) = rest.split_at(length);
        let mut times: Vec<f64> = bucket.iter().map(|(at, _)| *at).collect();
        let mut values: Vec<f64> = bucket.iter().map(|(_, value)| *value).collect();
        points.push((median(&mut times), median(&mut values)));
        rest = later;
    }
    points
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

    /// Eight minutes of samples around 40,000, that go up and down by some and grow by so much a minute.
    fn samples(growth: f64) -> Vec<Sample> {
        let mut luck = Luck::new(7);
        (0..480)
            .map(|second| {
                let noise = luck.between(0, 2_000) as f64 - 1_000.0;
                let peak = if luck.percent(10) { 20_000.0 } else { 0.0 };
                (f64::from(second), 40_000.0 + noise + peak + growth * f64::from(second) / 60.0)
            })
            .collect()
    }

    #[test]
    fn what_only_goes_up_and_down_is_flat_whatever_its_peaks() {
        let trend = Trend::of(&samples(0.0), 0.03, 2_000.0).unwrap();
        assert!(trend.is_flat() && trend.growth().abs() < 500.0, "{trend:?}");
        assert_eq!(trend.allowed, 2_000.0);
    }

    #[test]
    fn what_grows_slowly_beneath_its_noise_is_not_flat_and_the_slope_is_told() {
        // A third of the noise a minute.
        let trend = Trend::of(&samples(350.0), 0.03, 2_000.0).unwrap();
        assert!(!trend.is_flat() && (trend.slope - 350.0).abs() < 50.0, "{trend:?}");
    }

    #[test]
    fn what_shrinks_is_flat_and_of_too_little_nothing_is_said() {
        assert!(Trend::of(&samples(-1_000.0), 0.03, 0.0).unwrap().is_flat());
        assert_eq!(Trend::of(&samples(0.0)[..20], 0.03, 0.0), None);
        assert_eq!(Trend::of(&[], 0.03, 0.0), None);
    }
}
