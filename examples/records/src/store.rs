//! The records: Postgres holds them, and Redis keeps copies of their values (cache-aside).
//!
//! A reader that finds no entry in the cache takes a *lease*, reads the database, and stores the
//! value only if its lease still stands. A writer places a *hold* and removes the entry before it
//! writes. After its commit, and before it answers, it removes the entry again and ends its hold.
//! While a hold stands, no reader gets a lease. So:
//!
//! * A value that was read before a change is never stored after the change.
//! * A writer that dies anywhere leaves its hold. The hold ends by itself after 15 s, and readers
//!   ask the database until then.
//! * A writer that cannot reach the cache after its commit may have lost its hold as well. It notes
//!   in the database that the record is stale.
//! * A writer that does not know whether its change was made removes the entry when the statement
//!   has ended for sure.
//! * A writer that cannot reach the cache notes in its transaction that the record is stale. Any
//!   process removes such records from the cache, twice a second. Until then the process of the
//!   writer asks the database. Another process that reaches the cache may see the old value.

use std::sync::Arc;
use std::time::Duration;

use postgres::{Link, StoreError};
use shared::base::gate::Gates;
use shared::base::health::Note;
use shared::base::shutdown::Shutdown;
use shared::store::claim::{Claim, Once};

mod cache;
mod database;
mod owed;
mod statements;

use crate::config::Config;
use crate::domain::{Change, Found, RecordId, Written};
use crate::store::cache::{Cache, Entry, Hold, Look};
use crate::store::database::Database;

/// The records. Cheap to clone.
#[derive(Clone)]
pub struct RecordStore(Arc<Inner>);

struct Inner {
    database: Database,
    cache: Cache,
    /// Joins the readers of one record in this process.
    readers: Gates<RecordId, Result<Option<Found>, StoreError>>,
}

impl RecordStore {
    /// The store that the configuration names. It connects in the background.
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Inner {
            database: Database::new(&config.database, config.database_connections),
            cache: Cache::new(
                config.redis.server(),
                config.cache_ttl,
                config.cache_timeout,
            ),
            readers: Gates::default(),
        }))
    }

    /// Migrates the database. Tries again for `patience`, then fails. Returns `Ok` as well when the
    /// process stops.
    pub async fn open(&self, patience: Duration, stop: &Shutdown) -> anyhow::Result<()> {
        self.0.database.open(patience, stop).await
    }

    /// The value of a record, from the cache if possible. Readers that come at the same time share
    /// one look, which begins after each of them has come.
    pub async fn get_record(&self, id: &RecordId) -> Result<Option<Found>, StoreError> {
        let readers = &self.0.readers;
        readers.pass(id.clone(), || self.0.find(id)).await
    }

    /// Changes a record in one statement; with a claim, once for its key.
    pub async fn change_record(
        &self,
        id: &RecordId,
        change: Change,
        claim: Option<&Claim>,
    ) -> Result<Once<Written>, StoreError> {
        let database = &self.0.database;
        let write = |link, is_stale| database.change_record(link, id, change, claim, is_stale);
        self.0.write(id, write).await
    }

    /// Deletes a record. Answers whether there was one.
    pub async fn delete_record(&self, id: &RecordId) -> Result<bool, StoreError> {
        let delete = |link, is_stale| self.0.database.delete_record(link, id, is_stale);
        self.0.write(id, delete).await
    }

    /// Removes claims of idempotency keys that are older than two days.
    pub async fn sweep_claims(&self) -> Result<(), StoreError> {
        self.0.database.sweep_claims().await
    }

    /// Removes records from the cache that any process changed while it could not reach the cache.
    pub async fn repair_cache(&self) -> anyhow::Result<()> {
        let Inner {
            database, cache, ..
        } = &*self.0;
        let (unheld, identity) = (cache.unheld(), database.identity()?);
        let is_settled = cache.settle().await?;
        loop {
            let stale = database.find_stale().await?;
            if stale.is_empty() {
                break;
            }
            for (user_id, key, _) in &stale {
                cache.remove(&Entry::of(identity, user_id, key)).await?;
            }
            let changes = stale.into_iter().map(|(_, _, change)| change);
            database.forget_stale(changes.collect()).await?;
        }
        if is_settled {
            cache.trust(unheld);
        }
        Ok(())
    }

    /// The states of the database and of the cache, for people. A process whose database is down
    /// stays ready, because it still answers from the cache.
    pub fn notes(&self) -> [Note; 2] {
        let (database, cache) = (self.clone(), self.clone());
        let database = move || {
            let store = database.clone();
            Box::pin(async move { store.0.database.state().await }) as _
        };
        let cache = move || {
            let store = cache.clone();
            Box::pin(async move { store.0.cache.state().await }) as _
        };
        [Note::new("postgres", database), Note::new("cache", cache)]
    }
}

impl Inner {
    async fn find(&self, id: &RecordId) -> Result<Option<Found>, StoreError> {
        let lease = match self.cache.look(self.entry(id)?).await {
            Look::Value(value) => {
                let is_cached = true;
                return Ok(Some(Found { value, is_cached }));
            }
            Look::Lease(lease) => Some(lease),
            Look::Nothing => None,
        };
        let value = self.database.find_record(id).await;
        if let Some(lease) = lease {
            self.cache.fill(lease, value.clone().ok().flatten()).await;
        }
        let is_cached = false;
        Ok(value?.map(|value| Found { value, is_cached }))
    }

    /// Makes a change between hold and release. Without a hold, the change notes that the record is
    /// stale. If it is unknown whether the change was made, the hold stays until it ends by itself:
    /// Postgres may still be about to commit.
    async fn write<T, F>(
        &self,
        id: &RecordId,
        change: impl FnOnce(Link, bool) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let entry = self.entry(id)?;
        // First, so that a value stays in the cache while the database is down.
        let link = self.database.connect().await?;
        let hold = self.cache.hold(entry).await;
        let changed = change(link, hold.is_none()).await;
        let is_unchanged = matches!(
            changed,
            Err(StoreError::Unavailable(_) | StoreError::Refused { .. })
        );
        match hold {
            None if is_unchanged => {}
            None => self.cache.distrust(),
            Some(hold) if matches!(changed, Err(StoreError::Unknown(_))) => drop(hold),
            Some(hold) => self.release(id, hold, is_unchanged).await,
        }
        changed
    }

    /// Ends a hold. If the cache does not hear of the end of a change, it may have lost the hold
    /// before, and may have the old value. If the database cannot be told either, the removal stays
    /// owed.
    async fn release(&self, id: &RecordId, hold: Hold, is_unchanged: bool) {
        if self.cache.release(&hold).await || is_unchanged {
            return hold.forget();
        }
        match self.database.note_stale(id).await {
            Ok(()) => hold.forget(),
            Err(_) => drop(hold),
        }
        self.cache.distrust();
    }

    fn entry(&self, id: &RecordId) -> Result<Entry, StoreError> {
        let (user_id, key) = (id.user_id.as_str(), id.key.as_str());
        Ok(Entry::of(self.database.identity()?, user_id, key))
    }
}
