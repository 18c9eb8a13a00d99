//! Converts numbers to figures. No count here comes near 2^53, up to which a double is exact.

use std::time::Duration;

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// The number of things a second.
pub fn per_second(count: u64, took: Duration) -> f64 {
    float(count) / took.as_secs_f64().max(1e-9)
}

/// The number of microseconds for each thing.
pub fn micros_each(seconds: f64, count: u64) -> f64 {
    seconds * 1e6 / float(count.max(1))
}

/// The median of the values; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len() % 2 == 1 {
        upper
    } else {
        f64::midpoint(sorted[middle - 1], upper)
    })
}

/// The value below which this share of the sorted values lies; `None` without values.
pub fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let place = (sorted.len() * percent / 100).min(sorted.len().checked_sub(1)?);
    sorted.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&values, 50), Some(101.0));
        assert_eq!(quantile(&values, 99), Some(199.0));
        assert_eq!(quantile(&values, 100), Some(200.0));
        assert_eq!(quantile(&[], 50), None);
    }

    #[test]
    fn what_took_no_time_is_no_division_by_zero() {
        assert!(per_second(1, Duration::ZERO).is_finite());
        assert!((micros_each(0.5, 1_000) - 500.0).abs() < 1e-9);
    }
}
