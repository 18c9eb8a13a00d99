//! Redis: copies of values, leases of readers, and holds of writers. The cache never fails: without
//! Redis there is nothing in it.

use std::time::{Duration, Instant};

use shared::base::breaker::Breaker;
use shared::redis::{Command, Redis, RedisError, RedisUrl, Reply};
use uuid::Uuid;

use crate::domain::RecordId;
use crate::store::database::STATEMENT_TIMEOUT;
use crate::store::owed::Owed;

/// The cache in front of the database.
pub(super) struct Cache {
    redis: Redis,
    /// How long a value stays.
    lifetime: Duration,
    breaker: Breaker,
    /// Entries that could not be removed after a change.
    owed: Owed,
}

/// The key of a record in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry(String);

/// What a reader finds.
pub(super) enum Look {
    /// The value.
    Value(i64),
    /// Nothing. The reader may store the value.
    Lease(Lease),
    /// Nothing, and the reader may not store the value: another reader or a writer is at it, or the
    /// cache cannot be used.
    Nothing,
}

/// The right of one reader to store a value.
pub(super) struct Lease {
    entry: Entry,
    token: String,
}

/// The entry of a record, held by one writer.
pub(super) struct Hold<'a> {
    cache: &'a Cache,
    entry: Entry,
    token: String,
    /// Whether the hold was placed, or the entry was removed.
    is_safe: bool,
}

const FILL: &str = include_str!("../lua/fill.lua");
const RELEASE: &str = include_str!("../lua/release.lua");

/// Longest wait for an answer of Redis.
const TIMEOUT: Duration = Duration::from_millis(250);
/// Time between two attempts while Redis is down.
const OPEN_FOR: Duration = Duration::from_secs(1);
/// How long a lease or a hold stands, if nothing ends it: longer than any statement runs.
const HOLD_TIME: Duration = Duration::from_secs(15);
const _: () = assert!(HOLD_TIME.as_secs() > 2 * STATEMENT_TIMEOUT.as_secs());
/// Most owed removals of one round.
const REPAIR_BATCH: usize = 1_000;

const VALUE: &str = "value:";
const LEASE: &str = "lease:";
const HOLD: &str = "hold:";

impl Entry {
    /// The key of this record of this database. The length keeps two pairs of names apart that
    /// would be the same text side by side.
    pub(super) fn of(database: &str, id: &RecordId) -> Self {
        let (user_id, key) = (id.user_id.as_str(), id.key.as_str());
        let length = user_id.len();
        Self(format!("record:{database}:{length}:{user_id}:{key}"))
    }
}

impl Cache {
    pub(super) fn new(redis: &RedisUrl, lifetime: Duration) -> Self {
        Self {
            redis: Redis::within(redis, TIMEOUT),
            lifetime,
            breaker: Breaker::new(OPEN_FOR),
            owed: Owed::default(),
        }
    }

    /// Looks for a value, and takes a lease if there is no entry.
    pub(super) async fn look(&self, entry: Entry) -> Look {
        if !self.owed.is_clear(Instant::now()) {
            return Look::Nothing;
        }
        let Some(found) = self.run(Command::new("GET").key(&*entry.0)).await else {
            return Look::Nothing;
        };
        if !found.is_null() {
            let text = found.text().unwrap_or_default();
            let value = text
                .strip_prefix(VALUE)
                .and_then(|value| value.parse().ok());
            return value.map_or(Look::Nothing, Look::Value);
        }
        let token = token(LEASE);
        let lease = set(&entry, &token, HOLD_TIME).arg("NX");
        match self.run(lease).await {
            Some(taken) if !taken.is_null() => Look::Lease(Lease { entry, token }),
            _ => Look::Nothing,
        }
    }

    /// Stores a value, if the lease still stands.
    pub(super) async fn fill(&self, lease: Lease, value: i64) {
        let Lease { entry, token } = lease;
        let fill = script(FILL, &entry)
            .arg(token)
            .arg(format!("{VALUE}{value}"))
            .arg(milliseconds(self.lifetime));
        self.run(fill).await;
    }

    /// Replaces the entry of a record by a hold, before the record is changed.
    pub(super) async fn hold(&self, entry: Entry) -> Hold<'_> {
        let token = token(HOLD);
        let placed = self.run(set(&entry, &token, HOLD_TIME)).await;
        Hold {
            cache: self,
            entry,
            token,
            is_safe: placed.is_some(),
        }
    }

    /// Makes the removals that are owed, as far as Redis answers.
    pub(super) async fn repair(&self) -> Result<(), RedisError> {
        let (entries, number) = self.owed.batch(REPAIR_BATCH);
        for entry in entries {
            self.redis.run(script(RELEASE, &entry).arg("")).await?;
            self.owed.settle(&entry, number);
        }
        Ok(())
    }

    /// Whether the cache can be used, for people.
    pub(super) async fn state(&self) -> Result<String, String> {
        let answer = self.redis.run(Command::new("PING")).await;
        answer.map_err(|error| error.to_string())?;
        Ok(match self.owed.count() {
            0 => "ok".to_owned(),
            count => format!("{count} removals are owed"),
        })
    }

    /// Sends a command. `None` if Redis did not do it, as far as this process knows.
    async fn run(&self, command: Command) -> Option<Reply> {
        if !self.breaker.admits(Instant::now()) {
            return None;
        }
        match self.redis.run(command).await {
            Ok(reply) => {
                self.breaker.succeeded();
                Some(reply)
            }
            Err(error) => {
                if self.breaker.failed(Instant::now()) {
                    tracing::warn!(%error, "the cache is left alone, except for an attempt each {OPEN_FOR:?}");
                }
                None
            }
        }
    }
}

impl Hold<'_> {
    /// Removes the entry, after the change. If Redis does not answer, the removal is owed.
    pub(super) async fn release(mut self) {
        let release = script(RELEASE, &self.entry).arg(&*self.token);
        self.is_safe = self.cache.run(release).await.is_some();
    }
}

impl Drop for Hold<'_> {
    /// A request may end anywhere. A hold that was placed then stands until it ends by itself.
    fn drop(&mut self) {
        if !self.is_safe {
            let forgotten = Instant::now() + self.cache.lifetime + HOLD_TIME;
            self.cache.owed.add(self.entry.clone(), forgotten);
        }
    }
}

fn token(kind: &str) -> String {
    format!("{kind}{}", Uuid::now_v7().simple())
}

fn set(entry: &Entry, text: &str, lifetime: Duration) -> Command {
    let set = Command::new("SET").key(&*entry.0).arg(text);
    set.arg("PX").arg(milliseconds(lifetime))
}

/// A call of a script about one entry. Redis keeps the script, and a Redis that lost it takes it
/// again.
fn script(text: &'static str, entry: &Entry) -> Command {
    Command::new("EVAL").arg(text).arg(1).key(&*entry.0)
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
