//! Redis: copies of values, leases of readers, and holds of writers. The cache never fails: without
//! Redis there is nothing in it.
//!
//! The entry of a record is its value, or the lease of one reader. The holds of its writers are a
//! sorted set, by the times at which they end.

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

/// What names the entry and the holds of a record.
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

/// A writer's hold on a record.
pub(super) struct Hold<'a> {
    cache: &'a Cache,
    entry: Entry,
    token: String,
    /// Whether the hold stands, or was ended.
    is_safe: bool,
}

const LEASE: &str = include_str!("../lua/lease.lua");
const FILL: &str = include_str!("../lua/fill.lua");
const HOLD: &str = include_str!("../lua/hold.lua");
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

/// What a value begins with. A lease does not.
const VALUE: &str = "value:";

impl Entry {
    /// The name of this record of this database. The length keeps two pairs of names apart that
    /// would be the same text side by side.
    pub(super) fn of(database: &str, id: &RecordId) -> Self {
        let (user_id, key) = (id.user_id.as_str(), id.key.as_str());
        Self(format!("{database}:{}:{user_id}:{key}", user_id.len()))
    }

    /// The key of the value or lease. The braces keep both keys on one node of a cluster.
    fn key(&self) -> String {
        format!("record:{{{}}}", self.0)
    }

    /// The key of the holds.
    fn holds(&self) -> String {
        format!("holds:{{{}}}", self.0)
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
        let Some(found) = self.run(Command::new("GET").key(entry.key())).await else {
            return Look::Nothing;
        };
        if !found.is_null() {
            let text = found.text().unwrap_or_default();
            let value = text
                .strip_prefix(VALUE)
                .and_then(|value| value.parse().ok());
            return value.map_or(Look::Nothing, Look::Value);
        }
        let token = token();
        let lease = script(LEASE, &entry).arg(&*token);
        let taken = self.run(lease.arg(milliseconds(HOLD_TIME))).await;
        match taken.map(|taken| taken.int()) {
            Some(Ok(1)) => Look::Lease(Lease { entry, token }),
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

    /// Places a hold, before a record is changed.
    pub(super) async fn hold(&self, entry: Entry) -> Hold<'_> {
        let token = token();
        let hold = script(HOLD, &entry).arg(&*token);
        let placed = self.run(hold.arg(milliseconds(HOLD_TIME))).await;
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
    /// Ends the hold, after the change. If Redis does not answer, the removal is owed.
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

/// A text that no other lease or hold has.
fn token() -> String {
    Uuid::now_v7().simple().to_string()
}

/// A call of a script about one record. The script goes along, so a Redis that has lost everything
/// knows it.
fn script(text: &'static str, entry: &Entry) -> Command {
    let call = Command::new("EVAL").arg(text).arg(2);
    call.key(entry.key()).key(entry.holds())
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
