//! Trying again while a store or inventory is away.

use std::future::Future;
use std::time::Duration;

use shared::backoff::Backoff;

/// Attempts of one question before the run is given up: some ten seconds.
const MAX_ATTEMPTS: u32 = 8;
/// Wait between two attempts.
const PAUSE: Backoff = Backoff { first: Duration::from_millis(200), max: Duration::from_secs(2) };

/// Asks until there is an answer. What is asked changes nothing the second time.
pub(super) async fn patiently<T, E, F>(ask: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut failures = 0;
    loop {
        match ask().await {
            Err(_) if failures + 1 < MAX_ATTEMPTS => {
                failures += 1;
                tokio::time::sleep(PAUSE.wait(failures)).await;
            }
            answer => return answer,
        }
    }
}
