//! Claims: a claim records in a store which request used an idempotency key, and its answer.
//!
//! The function that has the effect also writes the claim, so a crash never leaves one without the
//! other. A claim is kept for at least 24 hours. A sweep removes it, and not a TTL: a clock that
//! jumps must not turn a repeated request into a second order.
//!
//! Only a request that had an effect leaves a claim. A request that was refused, or failed, may be
//! repeated with the same key.
//!
//! A claim lies in the partition of the thing that its request changed. So in a store with several
//! partitions, a key that is used again for another path is noticed only if both lie in one
//! partition.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::join_all;

use crate::base::digest::short_digest;
use crate::contract::time::Timestamp;
use crate::redis::{Command, RedisError, Reply};
use crate::store::Store;
use crate::store::function::Call;
use crate::store::partition::Partition;
use crate::store::sweep::{Sweep, believed};

/// The hash of an idempotency key. The text that a client chose never becomes part of a Redis key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    hash: String,
    seed: u32,
}

/// The text is not an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have between 1 and 255 visible ASCII characters")]
pub struct InvalidKey;

/// The claim of one request: its key, and a fingerprint that differs from the fingerprint of any
/// other request with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    key: IdempotencyKey,
    fingerprint: String,
}

/// The outcome of something that happens at most once for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once<Now, Before = Now> {
    /// It happened now.
    Now(Now),
    /// It happened before, for the same request with the same key. This is the recorded answer.
    Before(Before),
    /// The key was used for another request.
    KeyReused,
}

/// The first part of the keys of claims; the day follows.
pub const CLAIMS: &str = "idempotency";
/// The most characters of a key.
const MAX_KEY_LENGTH: usize = 255;
/// The end of the key of the set of days that have claims. Days with claims of `place_orders` only
/// are not in the set (see `prelude.lua`).
const DAYS: &str = "days";
/// Days whose claims are kept: today and yesterday.
const KEPT_DAYS: u64 = 2;
/// How many days back a sweep looks for claims. It never removes older claims, which only a service
/// that was off for longer has.
const LOOKED_BACK_DAYS: u64 = 366;
/// Pause between two sweeps.
pub const SWEEP_INTERVAL: Duration = Duration::from_hours(1);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl IdempotencyKey {
    /// The name under which the key is stored.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The seed that decides the partition of the key and of the thing that its request creates.
    pub fn seed(&self) -> u32 {
        self.seed
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    /// Takes the key bare, or as a structured string in quotes as in the IETF draft of the
    /// `Idempotency-Key` header.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let key = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or(InvalidKey)?,
            None => text,
        };
        let length = (1..=MAX_KEY_LENGTH).contains(&key.len());
        if !length || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey);
        }
        let (hash, seed) = short_digest(key);
        Ok(Self { hash, seed })
    }
}

impl Claim {
    /// The claim of the request `what` with this `key`. `what` names the method, the path and the
    /// values that were read from the body, so it differs for every other request.
    pub fn new(key: IdempotencyKey, what: &dyn Display) -> Self {
        Self {
            key,
            fingerprint: short_digest(what.to_string()).0,
        }
    }

    /// Looks in the store for an earlier answer to the request. Claims nothing. Waits for replicas:
    /// the earlier attempt may have failed only because replicas were missing.
    pub async fn find(
        &self,
        store: &Store,
        partition: Partition,
    ) -> Result<Option<Once<(), String>>, RedisError> {
        let today = store.now(partition).await?.as_millis() / DAY_MS;
        for day in [today, today.saturating_sub(1)] {
            let claims = Command::new("HGET").key(partition.key_of(CLAIMS, day));
            let claim = store
                .run_confirmed(claims.arg(self.key.hash.as_str()))
                .await?;
            if claim.is_null() {
                continue;
            }
            return Ok(Some(match claim.text()?.split_once(' ') {
                Some((fingerprint, answer)) if fingerprint == self.fingerprint => {
                    Once::Before(answer.to_owned())
                }
                _ => Once::KeyReused,
            }));
        }
        Ok(None)
    }

    /// The hashed key.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The fingerprint of the request.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl Call {
    /// Adds the claim of a request: the last three arguments of a function that takes one.
    #[must_use]
    pub fn claim(self, partition: Partition, claim: Option<&Claim>) -> Self {
        self.arg(partition.key_of(CLAIMS, ""))
            .arg(claim.map_or("", |claim| claim.key().hash()))
            .arg(claim.map_or("", Claim::fingerprint))
    }
}

impl Once<Vec<Reply>, String> {
    /// Reads the reply of a function that takes a claim: `{1, ...}`, `{2, answer}` or `{3}`.
    pub fn read(reply: Reply) -> Result<Self, RedisError> {
        let mut parts = reply.list()?.into_iter();
        let code = parts.next().map_or(Ok(0), |code| code.int())?;
        match (code, parts.next()) {
            (1, first) => Ok(Self::Now(first.into_iter().chain(parts).collect())),
            (2, Some(answer)) => Ok(Self::Before(answer.text()?)),
            (3, _) => Ok(Self::KeyReused),
            (other, _) => Err(RedisError::malformed("the answer to a claim", other)),
        }
    }
}

/// Removes the claims of the days before yesterday, as soon as `sweep` trusts the clock of the
/// store. A day leaves the set of days first: a crash in between leaves its claims, and the next
/// sweep finds them.
pub async fn sweep_claims(store: &Store, sweep: &Sweep) -> Result<(), RedisError> {
    for partition in store.partitions().all() {
        let clock = store.now(partition).await?;
        let days = claimed_days(store, partition, clock).await?;
        let Some(newest) = newest_claims(&days) else {
            continue;
        };
        let Some(until) = sweep.look(partition, clock, newest) else {
            continue;
        };
        let today = until.as_millis() / DAY_MS;
        let old: Vec<u64> = days
            .into_iter()
            .filter(|day| day.saturating_add(KEPT_DAYS) <= today)
            .collect();
        if !old.is_empty() {
            let forget = Command::new("ZREM").key(partition.key_of(CLAIMS, DAYS));
            store
                .run(forget.args(old.iter().map(u64::to_string)))
                .await?;
            let unlink = Command::new("UNLINK");
            let keys = old.into_iter().map(|day| partition.key_of(CLAIMS, day));
            store.run(keys.fold(unlink, Command::key)).await?;
        }
    }
    Ok(())
}

/// The last millisecond of the newest day that has claims and is believed. The first millisecond of
/// the next day would be too late: it would remove the claims of the day before the newest.
fn newest_claims(days: &[u64]) -> Option<Timestamp> {
    let newest = *days.iter().max()?;
    let old = |day: &&u64| day.saturating_add(KEPT_DAYS) <= newest;
    let older = days.iter().filter(old).max();
    Some(older.map_or(day_end(newest), |older| {
        believed(day_end(newest), day_end(*older))
    }))
}

/// The last millisecond of a day, counted from the epoch.
fn day_end(day: u64) -> Timestamp {
    Timestamp::from_millis(
        day.saturating_add(1)
            .saturating_mul(DAY_MS)
            .saturating_sub(1),
    )
}

/// The days that have claims, as far back as a sweep looks.
async fn claimed_days(
    store: &Store,
    partition: Partition,
    clock: Timestamp,
) -> Result<Vec<u64>, RedisError> {
    let today = clock.as_millis() / DAY_MS;
    let days: Vec<u64> = (today.saturating_sub(LOOKED_BACK_DAYS)..=today).collect();
    let found = join_all(days.iter().map(|&day| {
        let exists = Command::new("EXISTS").key(partition.key_of(CLAIMS, day));
        async move {
            store
                .run(exists)
                .await?
                .unsigned()
                .map_err(RedisError::from)
        }
    }));
    let found: Vec<u64> = found.await.into_iter().collect::<Result<_, _>>()?;
    Ok(days
        .into_iter()
        .zip(found)
        .filter(|(_, exists)| *exists == 1)
        .map(|(day, _)| day)
        .collect())
}

#[cfg(test)]
mod tests;
