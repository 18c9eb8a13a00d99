//! Sends a command again while its slot is moving to another node of the cluster.
//!
//! While a slot moves, some of its keys are on the old node and some on the new one. Commands are
//! then answered with `TRYAGAIN`, `ASK` or `MOVED`, and each of these says that nothing was done.
//! `fred` is told to follow no redirection; after `MOVED` it only asks where the slots are. So the
//! same command is sent again, until the slot has moved or 10 s have passed.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::{Code, RedisError};
use crate::base::backoff::Backoff;

/// How long a command waits for a slot that is moving.
const MOVE_LIMIT: Duration = Duration::from_secs(10);
/// Wait between two attempts.
const MOVE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(10),
    max: Duration::from_millis(250),
};

/// Sends a command until the answer is not that its slot is moving. The future is boxed, so that a
/// client of a single server does not pay for its size.
pub(super) fn run_until_slot_rests<'a, T, F>(
    send: impl Fn() -> F + Send + 'a,
) -> BoxFuture<'a, Result<T, RedisError>>
where
    T: Send + 'a,
    F: Future<Output = Result<T, RedisError>> + Send + 'a,
{
    Box::pin(async move {
        let began = Instant::now();
        let mut refusals = 0;
        loop {
            match send().await {
                Err(error) if error.is(Code::TryAgain) && began.elapsed() < MOVE_LIMIT => {
                    refusals += 1;
                    tokio::time::sleep(MOVE_BACKOFF.wait(refusals)).await;
                }
                answer => return answer,
            }
        }
    })
}
