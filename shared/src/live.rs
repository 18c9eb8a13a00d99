//! Changes in the store of the service, for clients that watch: live streams and long polls.
//!
//! Redis Functions append every change to the stream `changes` of its partition. Each process reads
//! that stream once for all its clients, and hands each change to the clients that wait for it. No
//! order depends on the stream. A client that missed a change receives `reset`, and reads again.

mod catch_up;
mod handed_on;
mod notice;
mod position;
mod tail;
mod watches;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast};

use crate::base::backoff::Backoff;
use crate::base::health::Progress;
use crate::base::shutdown::{Shutdown, sleep_unless};
use crate::live::catch_up::ENTRIES;
pub use crate::live::catch_up::FeedPositions;
use crate::live::handed_on::HandedOn;
use crate::live::notice::notices;
pub use crate::live::notice::{Missed, Notice, Show, Signal};
pub use crate::live::position::{CHANGES, Change, FeedPosition, Lag, Mark};
use crate::live::position::{History, behind, parse_changes};
use crate::live::tail::confirm_wait;
pub use crate::live::tail::{FEED_BLOCK, Tail};
pub use crate::live::watches::Watch;
use crate::live::watches::Watches;
use crate::redis::{Command, Entry, Redis, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// Pause after a read that was not full. Under load, more entries gather during the pause, so each
/// read takes more of them and the store is asked less often.
const PACE: Duration = Duration::from_millis(10);
/// Most changes that a client may be behind. A client that is farther behind receives `reset`.
const BACKLOG: usize = 4_096;
/// Longest wait of a new subscriber until every partition is read.
const AWAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// While no client watches, the task marks its progress this often. It has to be less than 15 s, or
/// `/readyz` would call the task stalled.
const DOZE: Duration = Duration::from_secs(5);
/// Wait after a failure of the store.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

/// Hands the changes of one store to the clients that wait for them. Cheap to clone.
#[derive(Clone)]
pub struct Feed<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: Store,
    show: S,
    signals: broadcast::Sender<Signal>,
    watches: Watches,
    handed_on: Mutex<HandedOn>,
    /// Wakes the tasks that read, when a client begins to watch.
    interest: Notify,
    /// Wakes new subscribers, when the reading of a partition begins again.
    awake: Notify,
}

impl<S: Show> Feed<S> {
    /// Hands on the changes of `store`, in the form that `show` gives them.
    pub fn new(store: Store, show: S) -> Self {
        let signals = broadcast::Sender::new(BACKLOG);
        let (watches, handed_on) = (Watches::default(), Mutex::default());
        let (interest, awake) = (Notify::new(), Notify::new());
        Self(Arc::new(Inner {
            store,
            show,
            signals,
            watches,
            handed_on,
            interest,
            awake,
        }))
    }

    /// Hands on the changes of one partition until the process has to stop. While no client
    /// watches, nothing is read. `reader` must be a client for this task alone, because its reads
    /// block.
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

    /// A watch that wakes up whenever the thing with this id changes.
    pub fn watch(&self, id: String) -> Watch {
        let watch = self.0.watches.add(id);
        self.0.interest.notify_waiters();
        watch
    }

    /// All changes from now on, and the mark of the newest change so far. An error means that the
    /// changes of some partition cannot be read.
    pub async fn subscribe(&self) -> Result<(broadcast::Receiver<Signal>, Mark), RedisError> {
        let receiver = self.0.signals.subscribe();
        self.0.interest.notify_waiters();
        let mark = tokio::time::timeout(AWAKE_TIMEOUT, self.now()).await;
        let silent = |_| RedisError::unknown("the changes of the store cannot be read");
        Ok((receiver, mark.map_err(silent)?))
    }

    /// Waits until every partition is read, and answers the newest change that was handed on.
    async fn now(&self) -> Mark {
        let partitions = self.0.store.partitions().all().count();
        loop {
            let awake = self.0.awake.notified();
            let newest = self.handed_on().newest(partitions, Instant::now());
            if let Some(mark) = newest {
                return mark;
            }
            awake.await;
        }
    }

    fn is_watched(&self) -> bool {
        self.0.signals.receiver_count() > 0 || !self.0.watches.is_empty()
    }

    /// Gives up the position in a partition if no client watches. A subscriber takes the same lock.
    /// Either this function sees the subscriber, or the subscriber sees that the position is gone.
    fn leave(&self, partition: Partition) -> bool {
        let mut handed_on = self.handed_on();
        let unwatched = !self.is_watched();
        if unwatched {
            handed_on.forget(partition);
        }
        unwatched
    }

    /// Waits until a client watches, at most [`DOZE`].
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

    /// The position in each partition from which a client goes on after `mark`. `None` if the store
    /// no longer has all changes since then, or if there are more than `limit`.
    pub async fn positions_after(
        &self,
        mark: Mark,
        limit: usize,
    ) -> Result<Option<FeedPositions>, RedisError> {
        catch_up::positions_after(&self.0.store, mark, limit).await
    }

    /// The next changes after `positions`, which move on. `None` if the store no longer has all of
    /// them.
    pub async fn next_page(
        &self,
        positions: &mut FeedPositions,
    ) -> Result<Option<Missed>, RedisError> {
        let Some(page) = catch_up::next_changes(&self.0.store, positions).await? else {
            return Ok(None);
        };
        Ok(Some(Missed {
            notices: notices(&self.0.show, page.changes).await?,
            count: page.count,
            has_more: page.has_more,
        }))
    }

    /// Makes sure of the position from which to read. If changes may have been missed, every watch
    /// wakes up and every live stream receives `reset`. Answers whether the position is still the
    /// same.
    async fn resume(&self, partition: Partition) -> Result<bool, RedisError> {
        let began = Instant::now();
        let history = History::read(&self.0.store, partition).await?;
        let known = self.handed_on().position(partition);
        if known.is_some_and(|known| history.is_complete_since(known)) {
            return Ok(true);
        }
        // If the partition was not read before, new subscribers begin here and have missed nothing.
        // The reset goes first: a client must not be told of a position whose gap it does not know.
        if known.is_some() {
            // Sending fails if no client is connected.
            let _ = self.0.signals.send(Signal::Reset);
        }
        self.handed_on().reach(partition, history.end(), began);
        self.0.watches.wake_all();
        self.0.awake.notify_waiters();
        Ok(false)
    }

    /// Reads the next changes and hands them on. Answers the number of entries that were read.
    async fn read(&self, partition: Partition, reader: &Redis) -> Result<usize, RedisError> {
        let after = self.handed_on().position(partition).unwrap_or_default();
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
            self.handed_on().reach(partition, after, began);
            return Ok(0);
        };
        let last = behind(last).unwrap_or(after);
        let is_full = entries.len() >= usize::from(ENTRIES);
        // A reader that falls far behind finds a stream whose oldest changes were removed.
        if is_full && !self.resume(partition).await? {
            return Ok(entries.len());
        }
        self.hand_on(partition, &entries).await?;
        let mut handed_on = self.handed_on();
        if is_full {
            handed_on.reach_partly(partition, last);
        } else {
            handed_on.reach(partition, last, began);
        }
        Ok(entries.len())
    }

    async fn hand_on(&self, partition: Partition, entries: &[Entry]) -> Result<(), RedisError> {
        let changes = entries
            .iter()
            .flat_map(|entry| parse_changes(partition, entry));
        let changes: Vec<Change> = changes.collect();
        for change in &changes {
            self.0.watches.wake(&change.id);
        }
        if self.0.signals.receiver_count() == 0 {
            return Ok(());
        }
        let notices = notices(&self.0.show, changes).await?;
        let lag = self.handed_on().lag_beside(partition, Instant::now());
        for mut notice in notices {
            notice.change.mark.lag = lag;
            let _ = self.0.signals.send(Signal::Notice(Arc::new(notice)));
        }
        Ok(())
    }

    fn handed_on(&self) -> MutexGuard<'_, HandedOn> {
        self.0
            .handed_on
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
