//! A store is of use to a process that has to write while it takes changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio::sync::Mutex;

use super::{Check, Opened, Probe};
use crate::group::Membership;
use crate::own_store::{Store, all};
use crate::redis::{COMMAND_TIMEOUT, Redis};

/// How long an answer stands. Probes come from many sides, and each answer costs a write.
const STANDS_FOR: Duration = Duration::from_secs(1);
/// Longest wait for an answer. A health check waits for 2 s.
const PROBE_TIMEOUT: Duration = COMMAND_TIMEOUT.saturating_add(Duration::from_millis(500));

/// The last answer, and when it was given. Who comes while it is looked for waits for the same one.
type Last = Mutex<Option<(Instant, Result<(), String>)>>;

impl Check {
    /// The own store was opened, has its identity, and takes changes.
    pub fn store(store: Store, opened: Opened) -> Self {
        let last = Arc::new(Last::default());
        let probe = move || -> Probe {
            let (store, opened, last) = (store.clone(), opened.clone(), last.clone());
            Box::pin(async move {
                if !opened.0.is_cancelled() {
                    let reason = store.obstacle();
                    return Err(reason.unwrap_or_else(|| "not opened yet".to_owned()));
                }
                let identity = async {
                    match store.has_identity().await {
                        Ok(true) => Ok(()),
                        Ok(false) => Err("it has lost its data".to_owned()),
                        Err(error) => Err(error.to_string()),
                    }
                };
                let changes = recent(&last, || try_changes(&store));
                let (identity, changes) = join(identity, changes).await;
                identity.and(changes)
            })
        };
        Self {
            name: "store",
            probe: Box::new(probe),
        }
    }

    /// The store that has a stream takes changes: reading as a member of a group is one.
    pub fn stream_store(redis: Redis, membership: Membership) -> Self {
        let last = Arc::new(Last::default());
        let probe = move || -> Probe {
            let (redis, membership, last) = (redis.clone(), membership.clone(), last.clone());
            Box::pin(async move {
                let Membership { stream, group, .. } = membership;
                recent(&last, || redis.try_membership(&stream, group)).await
            })
        };
        Self {
            name: "stream",
            probe: Box::new(probe),
        }
    }
}

async fn try_changes(store: &Store) -> Result<(), String> {
    let changes = all(store
        .partitions()
        .all()
        .map(|partition| store.try_change(partition)));
    changes.await.into_iter().collect()
}

async fn recent<F>(last: &Last, look: impl FnOnce() -> F) -> Result<(), String>
where
    F: Future<Output = Result<(), String>>,
{
    let mut last = last.lock().await;
    if let Some((at, answer)) = &*last
        && at.elapsed() < STANDS_FOR
    {
        return answer.clone();
    }
    let answer = tokio::time::timeout(PROBE_TIMEOUT, look()).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    *last = Some((Instant::now(), answer.clone()));
    answer
}
