//! Lets the requests with the same idempotency key run one after the other, within one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Turnstile, OwnedMutexGuard};

use crate::http::problem::{IDEMPOTENCY_IN_PROGRESS, Problem};
use crate::store::claim::Claim;

/// The keys of the requests that this process is working on, and a lock for each key.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<String, Arc<Turnstile<()>>>>>);

/// The turn of one request among those with the same key.
#[derive(Debug)]
pub struct Turn {
    in_flight: InFlight,
    hash: String,
    guard: Option<OwnedMutexGuard<()>>,
}

/// Longest wait for an earlier request with the same key.
const TURN_TIMEOUT: Duration = Duration::from_millis(500);
/// `Retry-After` of an answer while an earlier request with the same key is running.
const TURN_RETRY_AFTER: Duration = Duration::from_secs(1);

impl InFlight {
    /// Waits until earlier requests with the same key are done, for at most `TURN_TIMEOUT`. Most
    /// are done by then, and this request gets the same answer. Otherwise it is refused as a
    /// conflict.
    ///
    /// This only saves clients a conflict. The claim in the store is what keeps two requests, or
    /// two processes, from having the effect twice.
    pub async fn enter(&self, claim: Option<&Claim>) -> Result<Option<Turn>, Problem> {
        let Some(claim) = claim else {
            return Ok(None);
        };
        let hash = claim.key().hash().to_owned();
        let turnstile = self.lock().entry(hash.clone()).or_default().clone();
        let mut turn = Turn {
            in_flight: self.clone(),
            hash,
            guard: None,
        };
        turn.guard = turnstile.clone().try_lock_owned().ok();
        if turn.guard.is_none() {
            let guard = Box::pin(tokio::time::timeout(TURN_TIMEOUT, turnstile.lock_owned())).await;
            turn.guard = Some(guard.map_err(|_| {
                let detail = "an earlier request with this key is still running";
                Problem::new(&IDEMPOTENCY_IN_PROGRESS, detail).retry_after(TURN_RETRY_AFTER)
            })?);
        }
        Ok(Some(turn))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Turnstile<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut running = self.in_flight.lock();
        // A request that waits for the lock holds another reference, and the entry stays for it.
        if running
            .get(&self.hash)
            .is_some_and(|turnstile| Arc::strong_count(turnstile) == 1)
        {
            running.remove(&self.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: &str) -> Claim {
        Claim::new(key.parse().unwrap(), &"POST /things 1")
    }

    #[tokio::test]
    async fn a_request_waits_for_one_with_the_same_key_and_gives_up_after_a_moment() {
        let in_flight = InFlight::default();
        let first = in_flight.enter(Some(&claim("a"))).await.unwrap();
        assert!(in_flight.enter(Some(&claim("b"))).await.unwrap().is_some());
        assert!(in_flight.enter(None).await.unwrap().is_none());
        let refused = in_flight.enter(Some(&claim("a"))).await.unwrap_err();
        assert_eq!(refused.kind(), &IDEMPOTENCY_IN_PROGRESS);

        let waiting = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.enter(Some(&claim("a"))).await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        assert!(in_flight.lock().is_empty(), "nothing is left behind");
    }
}
