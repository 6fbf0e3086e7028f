//! The middle and the ends of some samples.

use crate::figure::number;

/// The middle; `NaN` of nothing.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let sorted = sorted(samples);
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[length / 2],
        length => (sorted[length / 2 - 1] + sorted[length / 2]) / 2.0,
    }
}

/// The smallest value that at least `share` of the samples do not exceed; `NaN` of nothing.
pub(crate) fn quantile(samples: &[f64], share: f64) -> f64 {
    let sorted = sorted(samples);
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// `median M (A to B, N samples)`.
pub(crate) fn describe(samples: &[f64]) -> String {
    let [middle, low, high] = [median(samples), quantile(samples, 0.0), quantile(samples, 1.0)];
    let [middle, low, high] = [middle, low, high].map(number);
    format!("median {middle}, {low} to {high} in {} samples", samples.len())
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middles_and_ends() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!((quantile(&hundred, 0.0), quantile(&hundred, 1.0)), (1.0, 100.0));
        assert!(median(&[]).is_nan());
    }
}
