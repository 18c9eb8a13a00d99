//! Redis: copies of values, leases of readers, and holds of writers. The cache never fails: without
//! Redis there is nothing in it.
//!
//! The entry of a record is its value, or the lease of one reader. The holds of its writers are a
//! sorted set, by the times at which they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shared::base::breaker::Breaker;
use shared::redis::{Command, Redis, RedisError, RedisUrl, Reply};
use tokio::time::timeout;
use uuid::Uuid;

use crate::store::database::STATEMENT_TIMEOUT;
use crate::store::owed::Owed;

/// The cache in front of the database.
pub(super) struct Cache {
    redis: Redis,
    /// Longest wait for an answer.
    timeout: Duration,
    /// How long a value stays.
    lifetime: Duration,
    breaker: Breaker,
    /// Changes of this process without a hold. Other processes may not know of them.
    unheld: AtomicU64,
    /// As many of them as were repaired. The cache is used while all are.
    repaired: AtomicU64,
    owed: Arc<Owed>,
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

/// A writer's hold on a record. Without [`Hold::forget`], its end leaves a removal that is owed: the
/// cache may have lost the hold, and the change may still be about to be committed.
pub(super) struct Hold {
    entry: Entry,
    token: String,
    /// Where the removal is owed. `None` if nothing is.
    owed: Option<Arc<Owed>>,
}

const LEASE: &str = include_str!("../lua/lease.lua");
const FILL: &str = include_str!("../lua/fill.lua");
const HOLD: &str = include_str!("../lua/hold.lua");
const RELEASE: &str = include_str!("../lua/release.lua");

/// The client has this time more to report a timeout of its own. It needs the report to connect anew.
const MARGIN: Duration = Duration::from_millis(100);
/// Time between two attempts while Redis is down.
const OPEN_FOR: Duration = Duration::from_secs(1);
/// How long a lease or a hold stands, if nothing ends it: longer than any statement runs.
const HOLD_TIME: Duration = Duration::from_secs(15);
const _: () = assert!(HOLD_TIME.as_secs() > 2 * STATEMENT_TIMEOUT.as_secs());

/// What a value begins with. A lease does not.
const VALUE: &str = "value:";

impl Entry {
    /// The name of this record of this database. The length keeps two pairs of names apart that
    /// would be the same text side by side.
    pub(super) fn of(database: &str, user_id: &str, key: &str) -> Self {
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

impl Hold {
    /// Nothing is owed for the hold any more.
    pub(super) fn forget(mut self) {
        self.owed = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(owed) = &self.owed {
            owed.add(&self.entry, Instant::now() + STATEMENT_TIMEOUT);
        }
    }
}

impl Cache {
    pub(super) fn new(redis: &RedisUrl, lifetime: Duration, timeout: Duration) -> Self {
        Self {
            redis: Redis::within(redis, timeout),
            timeout,
            lifetime,
            breaker: Breaker::new(OPEN_FOR),
            // A process that died may have left something to repair.
            unheld: AtomicU64::new(1),
            repaired: AtomicU64::new(0),
            owed: Arc::default(),
        }
    }

    /// Looks for a value, and takes a lease if there is no entry.
    pub(super) async fn look(&self, entry: Entry) -> Look {
        if !self.is_trusted() {
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
        let answer = self.run(lease.arg(milliseconds(HOLD_TIME))).await;
        match answer.map(|answer| answer.int()) {
            Some(Ok(1)) => Look::Lease(Lease { entry, token }),
            _ => Look::Nothing,
        }
    }

    /// Stores a value, if the lease still stands. Without a value, the lease ends.
    pub(super) async fn fill(&self, lease: Lease, value: Option<i64>) {
        let Lease { entry, token } = lease;
        let fill = script(FILL, &entry)
            .arg(token)
            .arg(value.map_or_else(String::new, |value| format!("{VALUE}{value}")))
            .arg(milliseconds(self.lifetime));
        self.run(fill).await;
    }

    /// Places a hold, before a record is changed. `None` if the cache cannot be reached.
    pub(super) async fn hold(&self, entry: Entry) -> Option<Hold> {
        let token = token();
        let hold = script(HOLD, &entry).arg(&*token);
        let placed = self.run(hold.arg(milliseconds(HOLD_TIME))).await;
        let owed = Some(self.owed.clone());
        placed.map(|_| Hold { entry, token, owed })
    }

    /// Ends a hold, after the change. Answers whether Redis did it. If not, the hold ends by itself.
    pub(super) async fn release(&self, hold: &Hold) -> bool {
        let release = script(RELEASE, &hold.entry).arg(&*hold.token);
        self.run(release).await.is_some()
    }

    /// A record was changed without a hold: the cache is not used until that is repaired.
    pub(super) fn distrust(&self) {
        self.unheld.fetch_add(1, Ordering::AcqRel);
    }

    /// How many changes were made without a hold.
    pub(super) fn unheld(&self) -> u64 {
        self.unheld.load(Ordering::Acquire)
    }

    /// That many changes were repaired.
    pub(super) fn trust(&self, repaired: u64) {
        self.repaired.store(repaired, Ordering::Release);
    }

    /// Makes the removals that are owed and due. Answers whether none is owed any more.
    pub(super) async fn settle(&self) -> Result<bool, RedisError> {
        for (entry, due) in self.owed.due(Instant::now()) {
            self.remove(&entry).await?;
            self.owed.settle(&entry, due);
        }
        Ok(self.owed.is_empty())
    }

    /// Removes an entry that may be stale.
    pub(super) async fn remove(&self, entry: &Entry) -> Result<(), RedisError> {
        self.redis.run(script(RELEASE, entry).arg("")).await?;
        Ok(())
    }

    fn is_trusted(&self) -> bool {
        self.repaired.load(Ordering::Acquire) == self.unheld()
    }

    /// Whether the cache can be used, for people.
    pub(super) async fn state(&self) -> Result<String, String> {
        let answer = self.redis.run(Command::new("PING")).await;
        answer.map_err(|error| error.to_string())?;
        let state = if self.is_trusted() {
            "ok"
        } else {
            "not used until it is repaired"
        };
        Ok(state.to_owned())
    }

    /// Sends a command. `None` if Redis did not do it, as far as this process knows.
    async fn run(&self, command: Command) -> Option<Reply> {
        if !self.breaker.admits(Instant::now()) {
            return None;
        }
        let limit = self.timeout + MARGIN;
        let error = match timeout(limit, self.redis.run(command)).await {
            Ok(Ok(reply)) => {
                self.breaker.succeeded();
                return Some(reply);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer for {limit:?}"),
        };
        if self.breaker.failed(Instant::now()) {
            tracing::warn!(%error, "the cache is left alone, except for an attempt each {OPEN_FOR:?}");
        }
        None
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
