//! Waits for a condition, with a limit and a name for the error.

use std::panic::Location;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// The pause between two looks.
pub const POLL: Duration = Duration::from_millis(10);
/// How long [`eventually`] waits. Generous, because tests share the machine with a compiler.
const EVENTUALLY: Duration = Duration::from_mins(1);

/// The answer of a probe: nothing yet, or what was waited for.
pub trait Polled {
    /// What was waited for.
    type Value;

    /// What was waited for, if it is there.
    fn value(self) -> Option<Self::Value>;
}

impl Polled for bool {
    type Value = ();

    fn value(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Polled for Option<T> {
    type Value = T;

    fn value(self) -> Self {
        self
    }
}

/// Polls `probe` every 10 ms until it answers true. The error names `what` did not happen.
pub async fn wait_until<F, Fut>(what: &str, limit: Duration, probe: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    wait_for(what, limit, probe).await
}

/// Polls `probe` every 10 ms until it answers `Some` or true, and returns the value. A probe that
/// hangs is cut off at the limit as well.
pub async fn wait_for<P, F, Fut>(what: &str, limit: Duration, mut probe: F) -> Result<P::Value>
where
    P: Polled,
    F: FnMut() -> Fut,
    Fut: Future<Output = P>,
{
    let deadline = Instant::now() + limit;
    loop {
        match timeout_at(deadline, probe()).await.map(Polled::value) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) if Instant::now() < deadline => sleep(POLL).await,
            _ => bail!("waited {limit:?} in vain for {what}"),
        }
    }
}

/// Does the same for a test, which fails if it has waited for a minute.
///
/// # Panics
///
/// When the minute is over.
#[track_caller]
pub fn eventually<P: Polled>(
    what: &str,
    mut probe: impl AsyncFnMut() -> P,
) -> impl Future<Output = P::Value> {
    let place = Location::caller();
    let look = async move {
        loop {
            if let Some(value) = probe().await.value() {
                return value;
            }
            sleep(POLL).await;
        }
    };
    async move {
        let seen = timeout(EVENTUALLY, look).await;
        seen.unwrap_or_else(|_| panic!("{place}: waited {EVENTUALLY:?} in vain for {what}"))
    }
}
