//! Keeps a fixed rate with a thread that sleeps. The timer of the runtime counts whole
//! milliseconds, and an answer takes less.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::Semaphore;

/// Releases each request at its time. The thread ends when this value is dropped.
pub(super) struct Pace {
    interval: Duration,
    started: Instant,
    due: Arc<Semaphore>,
    stop: Arc<AtomicBool>,
}

impl Pace {
    /// Releases `rate` requests a second from `started` on.
    pub(super) fn new(rate: u32, started: Instant) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        let (due, stop) = (
            Arc::new(Semaphore::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (released, stopped) = (due.clone(), stop.clone());
        thread::spawn(move || {
            let mut number = 0;
            while !stopped.load(Ordering::Relaxed) {
                let ahead =
                    (started + at(interval, number)).saturating_duration_since(Instant::now());
                if ahead > Duration::ZERO {
                    thread::sleep(ahead);
                }
                released.add_permits(1);
                number += 1;
            }
        });
        Self {
            interval,
            started,
            due,
            stop,
        }
    }

    /// Waits for the time of a request, and returns that time. It is in the past if all connections
    /// were busy at that time.
    pub(super) async fn wait(&self, number: u64) -> Result<Instant> {
        self.due.acquire().await?.forget();
        Ok(self.started + at(self.interval, number))
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn at(interval: Duration, number: u64) -> Duration {
    let nanos = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(nanos.saturating_mul(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_comes_late_was_meant_for_its_time() {
        let started = Instant::now();
        let pace = Pace::new(1_000, started);
        for number in 0..5 {
            let intended = pace.wait(number).await.unwrap();
            assert_eq!(intended, started + Duration::from_millis(number));
            assert!(Instant::now() >= intended);
        }
    }
}
