//! How a number is spread over many measurements.

use serde::Serialize;
use std::time::Duration;

/// The median, the 99th percentile and the greatest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of times, in milliseconds; none of none.
    pub(crate) fn of_ms(times: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut times: Vec<f64> = times.map(|time| time.as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        let max = *times.last()?;
        Some(Self { count: times.len(), p50: nearest(&times, 50), p99: nearest(&times, 99), max })
    }

    /// Of several runs: the median of each figure, but the greatest of all.
    pub(crate) fn of_runs(runs: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| median(runs.iter().map(figure));
        let max = runs.iter().map(|run| run.max).fold(0.0, f64::max);
        let count = runs.iter().map(|run| run.count).sum();
        Some(Self { count, p50: of(|run| run.p50)?, p99: of(|run| run.p99)?, max })
    }
}

/// The nearest rank: the least of the sorted values that so many percent do not exceed.
fn nearest(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

/// The middle one, or the mean of the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().saturating_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundredth_is_above_the_99th_percentile() {
        let spread = Spread::of_ms((1..=200).map(Duration::from_millis)).unwrap();
        assert_eq!((spread.p50, spread.p99, spread.max, spread.count), (100.0, 198.0, 200.0, 200));
        assert_eq!(Spread::of_ms([Duration::from_millis(7)].into_iter()).unwrap().p50, 7.0);
        assert_eq!(Spread::of_ms(std::iter::empty()), None);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
