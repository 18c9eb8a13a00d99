//! When inventory has acted on a paid order.
//!
//! inventory acknowledges an event in the store of payments once its effect is in the store of
//! inventory. So payments looks at the consumer group of inventory. One look serves all requests
//! that wait, and no look is made while no request waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::future::Cache;
use shared::base::backoff::Backoff;
use shared::base::health::Progress;
use shared::base::shutdown::{Shutdown, sleep_unless};
use shared::contract::entry_id::EntryId;
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::limits::MIN_RECORD_RETENTION;
use shared::redis::RedisError;
use shared::store::Store;
use shared::store::partition::Partition;
use shared::stream::entry_state::{EntryState, GroupState};
use tokio::sync::Notify;

use crate::domain::Order;

/// Tells when entries of `order_completed` are acknowledged. Cheap to clone.
#[derive(Clone)]
pub struct StockAcks(Arc<Inner>);

struct Inner {
    store: Store,
    /// The group of each partition at the last look of requests whose time was up.
    looked_at: Cache<Partition, Arc<GroupState>>,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

/// A signal that is given once, and stays given.
type Signal = Shutdown;

/// The entries that requests wait for. All requests that wait for one entry share its signal.
type Waiting = BTreeMap<(Partition, EntryId), Arc<Signal>>;

/// Pause between two looks while requests wait.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Longest pause while no request waits: how often the process shows that it is alive.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Wait after a failure of the store.
const OUTAGE: Backoff = Backoff {
    first: LOOK_INTERVAL,
    max: Duration::from_secs(1),
};

impl StockAcks {
    /// The acknowledgements of the events in `store`.
    pub fn new(store: Store) -> Self {
        let looked_at = Cache::builder().time_to_live(LOOK_INTERVAL).build();
        let (waiting, arrived) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner {
            store,
            looked_at,
            waiting,
            arrived,
        }))
    }

    /// Waits until inventory has acknowledged an entry. The caller limits the time, and the number
    /// of requests that wait.
    pub async fn acknowledged(&self, partition: Partition, entry: EntryId) {
        let signal = self.lock().entry((partition, entry)).or_default().clone();
        self.0.arrived.notify_one();
        signal.cancelled().await;
    }

    /// Where one entry stands in the group.
    pub async fn entry_state(
        &self,
        partition: Partition,
        entry: EntryId,
    ) -> Result<EntryState, RedisError> {
        Ok(self.group(partition).await?.of(entry))
    }

    /// Whether inventory had acknowledged an entry up to 50 ms ago. All questions about a partition
    /// within that time share one look, because the waits of a process may end in the same instant.
    pub async fn is_acknowledged_lately(&self, partition: Partition, entry: EntryId) -> bool {
        let look = async { self.group(partition).await.map(Arc::new) };
        let group = self.0.looked_at.try_get_with(partition, look).await;
        group.is_ok_and(|group| group.of(entry) == EntryState::Acknowledged)
    }

    /// Whether an order was paid so long ago that inventory may have forgotten it. A refund would
    /// have come long before. `false` where the store does not tell its time.
    pub async fn is_old(&self, partition: Partition, order: &Order) -> bool {
        let now = self.0.store.now(partition).await;
        let oldest = now.map(|now| now.earlier_by(MIN_RECORD_RETENTION));
        order
            .paid_at
            .is_some_and(|paid_at| oldest.is_ok_and(|oldest| paid_at < oldest))
    }

    /// Looks while requests wait, until the process is to stop.
    pub async fn run(self, progress: Progress, shutdown: Shutdown) {
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            let partitions = self.waited_for();
            if partitions.is_empty() {
                progress.mark();
                tokio::select! {
                    () = self.0.arrived.notified() => {}
                    _ = sleep_unless(&shutdown, IDLE_INTERVAL) => {}
                }
                continue;
            }
            let pause = match self.look(partitions).await {
                Ok(()) => {
                    failures = 0;
                    progress.mark();
                    LOOK_INTERVAL
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    progress.failed(&error);
                    tracing::debug!(%error, "cannot look at inventory's group");
                    OUTAGE.wait(failures)
                }
            };
            sleep_unless(&shutdown, pause).await;
        }
    }

    /// Looks at the groups of these partitions. A failure in one partition delays no other
    /// partition.
    async fn look(&self, partitions: Vec<Partition>) -> Result<(), RedisError> {
        let mut looked = Ok(());
        for partition in partitions {
            match self.group(partition).await {
                Ok(group) => self.release(partition, &group),
                Err(error) => looked = Err(error),
            }
        }
        looked
    }

    async fn group(&self, partition: Partition) -> Result<GroupState, RedisError> {
        let stream = partition.key(OrderCompleted::STREAM);
        GroupState::read(&self.0.store, &stream, OrderCompleted::GROUP).await
    }

    /// The partitions of the entries that requests still wait for. Drops the entries for which no
    /// request waits any more.
    fn waited_for(&self) -> Vec<Partition> {
        let mut waiting = self.lock();
        waiting.retain(|_, signal| Arc::strong_count(signal) > 1);
        let mut partitions: Vec<Partition> =
            waiting.keys().map(|(partition, _)| *partition).collect();
        partitions.dedup();
        partitions
    }

    fn release(&self, partition: Partition, group: &GroupState) {
        let acknowledged = |&(of, entry): &(Partition, EntryId)| {
            of == partition && group.of(entry) == EntryState::Acknowledged
        };
        let mut waiting = self.lock();
        let keys: Vec<_> = waiting.keys().copied().filter(acknowledged).collect();
        for signal in keys.iter().filter_map(|key| waiting.remove(key)) {
            signal.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
