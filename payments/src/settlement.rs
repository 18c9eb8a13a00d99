//! When inventory has acted on a paid order.
//!
//! inventory acknowledges an event in the store of payments once its effect is in the store of
//! inventory. So this looks at the group of inventory, once for everybody who waits, and only while
//! somebody does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::entry_id::EntryId;
use shared::event::{Event, OrderCompleted};
use shared::health::Progress;
use shared::id::Partition;
use shared::own_store::OwnStore;
use shared::redis::RedisError;
use shared::shutdown::{Shutdown, sleep_unless};
use shared::standing::{GroupStanding, Standing};
use tokio::sync::{Notify, oneshot};

use crate::domain::Order;

/// Pause between two looks while somebody waits.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Longest pause while nobody does: how often the process is seen to be alive.
const IDLE_INTERVAL: Duration = Duration::from_secs(5);
/// Waits of one entry at most; a wait beyond ends only with its time.
const MAX_WAITS_PER_ENTRY: usize = 1_024;

/// Tells when entries of `order_completed` are acknowledged. Cheap to clone.
#[derive(Clone)]
pub struct Settlements(Arc<Inner>);

struct Inner {
    store: OwnStore,
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

/// The shortest time for which inventory remembers what became of an order (the lower limit of its
/// `DEDUPE_RETENTION`).
pub(crate) const SHORTEST_MEMORY: Duration = Duration::from_hours(8 * 24);

type Waiting = BTreeMap<(Partition, EntryId), Vec<oneshot::Sender<()>>>;

impl Settlements {
    /// Those of the orders in `store`.
    pub fn new(store: OwnStore) -> Self {
        Self(Arc::new(Inner { store, waiting: Mutex::default(), arrived: Notify::new() }))
    }

    /// Waits until inventory has acknowledged an entry. The caller sets the limit.
    pub async fn acknowledged(&self, partition: Partition, entry: EntryId) {
        let receiver = self.register(partition, entry);
        self.0.arrived.notify_one();
        if receiver.await.is_err() {
            // Nobody will tell. The caller's limit ends the wait.
            std::future::pending::<()>().await;
        }
    }

    fn register(&self, partition: Partition, entry: EntryId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        let senders = waiting.entry((partition, entry)).or_default();
        if senders.len() < MAX_WAITS_PER_ENTRY {
            senders.push(sender);
        }
        receiver
    }

    /// What became of one entry.
    pub async fn standing(
        &self,
        partition: Partition,
        entry: EntryId,
    ) -> Result<Standing, RedisError> {
        Ok(self.group(partition).await?.of(entry))
    }

    /// Whether an order was paid so long ago that inventory may have forgotten it. A refund would have
    /// come long since. `false` where that cannot be told.
    pub async fn is_old(&self, partition: Partition, order: &Order) -> bool {
        let now = self.0.store.now(partition).await;
        let oldest = now.map(|now| now.earlier_by(SHORTEST_MEMORY));
        order.paid_at.is_some_and(|paid_at| oldest.is_ok_and(|oldest| paid_at < oldest))
    }

    /// Looks, while somebody waits, until the process is to stop.
    pub async fn run(self, progress: Progress, shutdown: Shutdown) {
        while !shutdown.is_cancelled() {
            progress.mark();
            let partitions = self.waited_for();
            if partitions.is_empty() {
                tokio::select! {
                    () = self.0.arrived.notified() => {}
                    _ = sleep_unless(&shutdown, IDLE_INTERVAL) => {}
                }
                continue;
            }
            for partition in partitions {
                match self.group(partition).await {
                    Ok(group) => self.release(partition, &group),
                    Err(error) => tracing::debug!(%error, "cannot look at inventory's group"),
                }
            }
            sleep_unless(&shutdown, LOOK_INTERVAL).await;
        }
    }

    async fn group(&self, partition: Partition) -> Result<GroupStanding, RedisError> {
        let stream = partition.key(OrderCompleted::STREAM);
        GroupStanding::read(&self.0.store, &stream, OrderCompleted::GROUP).await
    }

    /// The partitions of entries that somebody still waits for. Others are forgotten here.
    fn waited_for(&self) -> Vec<Partition> {
        let mut waiting = self.lock();
        waiting.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        let mut partitions: Vec<Partition> =
            waiting.keys().map(|(partition, _)| *partition).collect();
        partitions.dedup();
        partitions
    }

    fn release(&self, partition: Partition, group: &GroupStanding) {
        let settled = |&(of, entry): &(Partition, EntryId)| {
            of == partition && group.of(entry) == Standing::Acknowledged
        };
        let mut waiting = self.lock();
        let keys: Vec<_> = waiting.keys().copied().filter(settled).collect();
        for senders in keys.iter().filter_map(|key| waiting.remove(key)) {
            for sender in senders {
                // Whoever gave up does not need to know.
                let _ = sender.send(());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
