//! Waits that grow with each failure. They are random, so that processes do not retry in step.

use std::time::Duration;

/// Exponential back-off with jitter, as described in the Amazon Builders' Library,
/// "Timeouts, retries and backoff with jitter". Half of each wait is fixed, the other half is
/// random.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The longest wait after the first failure.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row: random, between half and all of
    /// `first * 2^(failures - 1)`. A product above `max` counts as `max`.
    pub fn wait(&self, failures: u32) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
        let ceiling = self.first.saturating_mul(factor).min(self.max);
        ceiling.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_below_their_maximum() {
        let backoff = Backoff {
            first: Duration::from_millis(100),
            max: Duration::from_secs(2),
        };
        for (failures, low_ms, high_ms) in [
            (1, 50, 100),
            (2, 100, 200),
            (3, 200, 400),
            (9, 1_000, 2_000),
            (u32::MAX, 1_000, 2_000),
        ] {
            let wait = backoff.wait(failures).as_millis();
            assert!((low_ms..=high_ms).contains(&wait), "{failures}: {wait} ms");
        }
    }
}
