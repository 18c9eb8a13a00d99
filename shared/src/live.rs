//! What changes in the own store, for clients that watch: live streams and long polls.
//!
//! Functions append every change to the stream `changes` of its partition. Each process reads it
//! once, however many clients it has, and hands a change to those who wait for it. Nothing depends
//! on it: a client that missed something is told so (`reset`) and reads again.

mod catch_up;
mod notice;
mod position;
mod tail;
mod watches;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::{Notify, broadcast};

use crate::base::backoff::Backoff;
use crate::base::health::Progress;
use crate::base::shutdown::{Shutdown, sleep_unless};
use crate::live::catch_up::ENTRIES;
pub use crate::live::catch_up::FeedPositions;
pub use crate::live::notice::{Notice, Show, Signal};
pub use crate::live::position::{CHANGES, Change, FeedPosition, Mark};
use crate::live::position::{History, parse_changes};
use crate::live::tail::confirm_wait;
pub use crate::live::tail::{FEED_BLOCK, Tail};
pub use crate::live::watches::Watch;
use crate::live::watches::Watches;
use crate::redis::{Command, Redis, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// Pause after a read that took fewer: under load it fills the next one, and the store is asked less
/// often than things change.
const PACE: Duration = Duration::from_millis(10);
/// Changes that a client may be behind before it is told to start over.
const BACKLOG: usize = 4_096;
/// Longest wait of a new subscriber until the changes are read.
const AWAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long nothing is done while nobody watches, before the process is seen to be alive.
const DOZE: Duration = Duration::from_secs(5);
/// Wait after a failure of the store.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

/// The changes of one store, handed to those who wait for them. Cheap to clone.
#[derive(Clone)]
pub struct Feed<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: Store,
    show: S,
    signals: broadcast::Sender<Signal>,
    watches: Watches,
    /// The last change that was handed on, in each partition that is read just now.
    positions: Mutex<FeedPositions>,
    /// Somebody has begun to watch.
    interest: Notify,
    /// A partition is read again.
    awake: Notify,
}

impl<S: Show> Feed<S> {
    /// The changes of `store`, as `show` shows them.
    pub fn new(store: Store, show: S) -> Self {
        let signals = broadcast::Sender::new(BACKLOG);
        let (watches, positions) = (Watches::default(), Mutex::default());
        let (interest, awake) = (Notify::new(), Notify::new());
        Self(Arc::new(Inner {
            store,
            show,
            signals,
            watches,
            positions,
            interest,
            awake,
        }))
    }

    /// Hands on the changes of one partition until the process is to stop. While nobody watches,
    /// nothing is read. `reader` is its own: the reads block.
    pub async fn run(
        self,
        partition: Partition,
        reader: Redis,
        progress: Progress,
        shutdown: Shutdown,
    ) {
        let mut failures = 0_u32;
        let mut certain = false;
        while !shutdown.is_cancelled() {
            if self.leave(partition) {
                certain = false;
                self.doze(&progress, &shutdown).await;
                continue;
            }
            let step = async {
                if !certain {
                    self.resume(partition).await?;
                }
                self.read(partition, &reader).await
            };
            match step.await {
                Ok(taken) => {
                    (failures, certain) = (0, true);
                    progress.mark();
                    if (1..usize::from(ENTRIES)).contains(&taken) {
                        sleep_unless(&shutdown, PACE).await;
                    }
                }
                Err(error) => {
                    (failures, certain) = (failures + 1, false);
                    progress.failed(&error);
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "cannot read changes; trying again");
                    }
                    sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
                }
            }
        }
    }

    /// Wakes up whenever the thing called `id` changes.
    pub fn watch(&self, id: String) -> Watch {
        let watch = self.0.watches.add(id);
        self.0.interest.notify_waiters();
        watch
    }

    /// Everything that changes from now on, and where now is. An error says that the store does not
    /// tell.
    pub async fn subscribe(&self) -> Result<(broadcast::Receiver<Signal>, Mark), RedisError> {
        let receiver = self.0.signals.subscribe();
        self.0.interest.notify_waiters();
        let mark = tokio::time::timeout(AWAKE_TIMEOUT, self.now()).await;
        let silent = |_| RedisError::unknown("the changes of the store cannot be read");
        Ok((receiver, mark.map_err(silent)?))
    }

    /// The newest change that was handed on, once every partition is read.
    async fn now(&self) -> Mark {
        let partitions = self.0.store.partitions().all().count();
        loop {
            let awake = self.0.awake.notified();
            {
                let positions = self.positions();
                let newest = positions.iter().max_by_key(|(_, position)| **position);
                let newest = newest.filter(|_| positions.len() == partitions);
                if let Some((&partition, &position)) = newest {
                    return Mark {
                        partition,
                        position,
                    };
                }
            }
            awake.await;
        }
    }

    fn is_watched(&self) -> bool {
        self.0.signals.receiver_count() > 0 || !self.0.watches.is_empty()
    }

    /// Gives up the position in a partition when nobody watches. A subscriber takes the same lock.
    /// Either this function sees the subscriber, or the subscriber sees that the position is gone.
    fn leave(&self, partition: Partition) -> bool {
        let mut positions = self.positions();
        let unwatched = !self.is_watched();
        if unwatched {
            positions.remove(&partition);
        }
        unwatched
    }

    /// Waits until somebody watches.
    async fn doze(&self, progress: &Progress, shutdown: &Shutdown) {
        let interest = self.0.interest.notified();
        progress.mark();
        // A subscriber that came before the line above is seen here. A later one wakes this task.
        if !self.is_watched() {
            tokio::select! {
                () = interest => {}
                _ = sleep_unless(shutdown, DOZE) => {}
            }
        }
    }

    /// Where in each partition a client goes on that stopped at `mark`. `None` where the store no longer
    /// has all changes since then.
    pub async fn positions_after(&self, mark: Mark) -> Result<Option<FeedPositions>, RedisError> {
        catch_up::positions_after(&self.0.store, mark).await
    }

    /// The next changes after `positions`, which move on, and how many there were. Some of them cannot
    /// be shown. Changes of all partitions come in the order of time.
    pub async fn next_page(
        &self,
        positions: &mut FeedPositions,
    ) -> Result<(Vec<Notice>, usize), RedisError> {
        let changes = catch_up::next_changes(&self.0.store, positions).await?;
        let count = changes.len();
        Ok((self.notices(changes).await?, count))
    }

    /// Finds out where to go on. Where changes may have been missed, everybody is told.
    async fn resume(&self, partition: Partition) -> Result<(), RedisError> {
        let history = History::read(&self.0.store, partition).await?;
        let known = self.positions().get(&partition).copied();
        if known.is_some_and(|known| history.is_complete_since(known)) {
            return Ok(());
        }
        self.positions().insert(partition, history.end());
        self.0.watches.wake_all();
        // A client that subscribed while the partition was not read has been told nothing yet, and
        // begins here.
        if known.is_some() {
            // Nobody listens, perhaps.
            let _ = self.0.signals.send(Signal::Reset);
        }
        self.0.awake.notify_waiters();
        Ok(())
    }

    /// Reads the next changes and hands them on. Answers how many entries told them.
    async fn read(&self, partition: Partition, reader: &Redis) -> Result<usize, RedisError> {
        let after = self
            .positions()
            .get(&partition)
            .copied()
            .unwrap_or_default();
        let block_ms = i64::try_from(FEED_BLOCK.as_millis()).unwrap_or(i64::MAX);
        let read = Command::new("XREAD").arg("COUNT").arg(i64::from(ENTRIES));
        let read = read
            .arg("BLOCK")
            .arg(block_ms)
            .arg("STREAMS")
            .key(partition.key(CHANGES));
        let read = read.arg(after.entry().to_string());
        let began = Instant::now();
        let entries = reader.run(read).await?.read_entries()?;
        let Some(last) = entries.last() else {
            confirm_wait(began)?;
            return Ok(0);
        };
        let last = last.id.parse().map_or(after, FeedPosition::behind);
        let changes: Vec<Change> = entries
            .iter()
            .flat_map(|entry| parse_changes(partition, entry))
            .collect();
        for change in &changes {
            self.0.watches.wake(&change.id);
        }
        if self.0.signals.receiver_count() > 0 {
            for notice in self.notices(changes).await? {
                let _ = self.0.signals.send(Signal::Notice(Arc::new(notice)));
            }
        }
        self.positions().insert(partition, last);
        Ok(entries.len())
    }

    async fn notices(&self, changes: Vec<Change>) -> Result<Vec<Notice>, RedisError> {
        let shown = join_all(changes.iter().map(|change| self.0.show.show(change))).await;
        let mut notices = Vec::with_capacity(changes.len());
        for (change, data) in changes.into_iter().zip(shown) {
            let data = match data {
                // A damaged record must not hold up the others.
                Err(error @ (RedisError::Refused { .. } | RedisError::Malformed { .. })) => {
                    tracing::error!(%error, id = change.id, "cannot show what changed");
                    continue;
                }
                data => data,
            };
            let notice = |data| Notice {
                change,
                data,
                frame: OnceLock::new(),
            };
            notices.extend(data?.map(notice));
        }
        Ok(notices)
    }

    fn positions(&self) -> MutexGuard<'_, FeedPositions> {
        self.0
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
