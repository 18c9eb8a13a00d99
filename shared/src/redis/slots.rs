//! A cluster moves a slot while it is used.
//!
//! Until the last key is over there, some are here and some are there, and commands are answered
//! with `TRYAGAIN`, `ASK` or `MOVED`: each of them says that nothing was done. The client is told to
//! follow none of them (after `MOVED` it asks where the slots are); so the same command is sent
//! again, until the slot has come to rest.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::{Code, Command, Redis, RedisError, Reply};
use crate::base::backoff::Backoff;

/// How long a command waits for a slot that is on the move.
const MOVE_LIMIT: Duration = Duration::from_secs(10);
/// Wait between two attempts.
const MOVE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(10),
    max: Duration::from_millis(250),
};

/// Sends a command until it is answered with something else than that its slot is on the move.
/// Boxed, so that a client of a single server does not carry it along.
pub(super) fn run_until_slot_rests(
    redis: &Redis,
    command: Command,
    confirmed: bool,
) -> BoxFuture<'_, Result<Reply, RedisError>> {
    Box::pin(async move {
        let began = Instant::now();
        let mut refusals = 0;
        loop {
            let command = command.clone();
            let answer = if confirmed {
                redis.run_confirmed_once(command).await
            } else {
                redis.run_once(command).await
            };
            match answer {
                Err(error) if error.is(Code::TryAgain) && began.elapsed() < MOVE_LIMIT => {
                    refusals += 1;
                    tokio::time::sleep(MOVE_BACKOFF.wait(refusals)).await;
                }
                answer => return answer,
            }
        }
    })
}
