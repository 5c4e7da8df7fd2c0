//! What several runs of the same gave: the figure is their median, and beside it is told how far they differ.

/// The one in the middle, or the mean of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    middle(&mut values.to_vec())
}

/// The same of values whose order does not matter.
pub(crate) fn middle(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// The least and the most, where there are several.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    match values.as_slice() {
        [least, .., most] => Some([*least, *most]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_also_where_two_are() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[8.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&[1.0, 2.0]), 1.5);
    }
}
