//! Logs what is wrong with a store: once a minute for each reason. The number of clients in this
//! process and of their attempts does not matter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::redis::RedisUrl;

/// A reason that persists or returns is logged again after this time.
const SAID_AGAIN_AFTER: Duration = Duration::from_mins(1);

/// One report for each store of this process, by the whole URL of the store.
static STORES: LazyLock<Mutex<HashMap<String, Arc<Report>>>> = LazyLock::new(Mutex::default);

/// What was logged about one store.
pub(super) struct Report {
    store: RedisUrl,
    /// The log says that the store cannot be reached, and not yet that it can be reached again.
    is_away: AtomicBool,
    /// When each reason was last logged.
    said: Mutex<HashMap<String, Instant>>,
}

impl Report {
    /// The report about the store at `url`.
    pub(super) fn about(url: &RedisUrl) -> Arc<Self> {
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Self {
            store: url.clone(),
            is_away: AtomicBool::new(false),
            said: Mutex::default(),
        };
        stores
            .entry(url.reveal().to_owned())
            .or_insert_with(|| Arc::new(new()))
            .clone()
    }

    /// Logs that no connection could be made, for this reason.
    pub(super) fn away(&self, reason: &str) {
        let is_news = self.is_news(reason);
        if !self.is_away.swap(true, Ordering::Relaxed) || is_news {
            tracing::warn!("{} cannot be reached: {reason}", self.store);
        }
    }

    /// Logs that the store can be reached again. While nothing is wrong, this only reads one flag.
    pub(super) fn reached(&self) {
        if self.is_away.load(Ordering::Relaxed) && self.is_away.swap(false, Ordering::Relaxed) {
            self.said().clear();
            tracing::info!("{} can be reached again", self.store);
        }
    }

    /// Logs that the store refuses commands, for this reason.
    pub(super) fn refuses(&self, reason: &str) {
        if self.is_news(reason) {
            tracing::warn!("{} refuses: {reason}", self.store);
        }
    }

    fn is_news(&self, reason: &str) -> bool {
        let now = Instant::now();
        let mut said = self.said();
        said.retain(|_, at| now.duration_since(*at) < SAID_AGAIN_AFTER);
        if said.contains_key(reason) {
            return false;
        }
        said.insert(reason.to_owned(), now);
        true
    }

    fn said(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
