//! Waits for a condition, with a limit and a name for the error.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// The pause between two looks.
pub const POLL: Duration = Duration::from_millis(10);

/// Polls `probe` every 10 ms until it answers true. The error names `what` did not happen.
pub async fn wait_until<F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    wait_for(what, limit, || {
        let answer = probe();
        async move { answer.await.then_some(()) }
    })
    .await
}

/// Polls `probe` every 10 ms until it answers `Some`, and returns the value. A probe that hangs is
/// cut off at the limit as well.
pub async fn wait_for<T, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + limit;
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() < deadline => sleep(POLL).await,
            _ => bail!("waited {limit:?} in vain for {what}"),
        }
    }
}
