//! The store that a service owns: its client, its functions, and how its keys are spread.

pub mod batch;
pub mod claim;
pub mod condition;
pub(crate) mod due;
pub mod function;
pub(crate) mod incarnation;
pub mod index;
mod layout;
pub mod libraries;
pub mod open;
pub mod partition;
pub mod scatter;
pub mod sweep;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;

use crate::contract::event::Event;
use crate::contract::id::clock;
use crate::contract::limits::MAX_SKEW;
use crate::contract::time::Timestamp;
use crate::redis::{Code, Command, Confirmed, Redis, RedisError, Reply, info_field};
use crate::store::batch::Batcher;
use crate::store::function::{Call, IDENTITY, Library, belongs};
pub use crate::store::layout::{Layout, Step, Taken};
use crate::store::partition::{Partition, Partitions};

/// The most lines that one command reads.
const LINES: usize = 100;

/// A service's own store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    redis: Redis,
    layout: Layout,
    library: Arc<Library>,
    partitions: Partitions,
    lines: Batcher<String, Reply>,
    /// Why the last attempt to open the store failed.
    obstacle: Arc<Mutex<Option<String>>>,
}

impl Store {
    /// The store behind `redis`, in this layout. `files` are its functions.
    pub fn new(redis: Redis, layout: Layout, files: &[&str], partitions: Partitions) -> Self {
        let reader = redis.clone();
        let lines = Batcher::new(LINES, move |partition, keys| {
            let redis = reader.clone();
            async move { read_lines(&redis, partition, keys).await }
        });
        let library = Library::new(layout.service, layout.version(), files);
        let library = Arc::new(library);
        Self {
            redis,
            layout,
            library,
            partitions,
            lines,
            obstacle: Arc::default(),
        }
    }

    /// The partitions over which the keys of the store are spread.
    pub fn partitions(&self) -> Partitions {
        self.partitions
    }

    /// Makes a harmless change as a test. The error says why the store refuses changes.
    pub(crate) async fn try_change(&self, partition: Partition) -> Result<(), String> {
        self.redis.try_change(partition.index()).await
    }

    /// Why the last attempt to open the store failed.
    pub(crate) fn obstacle(&self) -> Option<String> {
        self.obstacle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Remembers why the store could not be opened. Answers whether the reason is a new one.
    pub(crate) fn set_obstacle(&self, reason: &str) -> bool {
        let mut obstacle = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = obstacle.as_deref() != Some(reason);
        *obstacle = Some(reason.to_owned());
        is_news
    }

    /// Sends a plain command.
    pub async fn run(&self, command: Command) -> Result<Reply, RedisError> {
        self.redis.run(command).await
    }

    /// Sends a plain command. The answer comes only once a failover cannot undo it
    /// ([`Redis::run_confirmed`]).
    pub async fn run_confirmed(&self, command: Command) -> Result<Reply, RedisError> {
        self.redis.run_confirmed(command).await
    }

    /// Sends a plain command. The answer comes with whether a failover can undo it
    /// ([`Redis::run_and_confirm`]).
    pub(crate) async fn run_and_confirm(&self, command: Command) -> Result<Confirmed, RedisError> {
        self.redis.run_and_confirm(command).await
    }

    /// Reads the line at a key of `partition`. `None` says that the key does not exist; a store
    /// that has lost its data gives an error instead. One command reads all lines that callers ask
    /// for at the same moment.
    pub async fn read_line(
        &self,
        partition: Partition,
        key: String,
    ) -> Result<Option<String>, RedisError> {
        let line = self.lines.submit(partition, key.clone()).await?;
        if !line.is_null() {
            return Ok(Some(line.text()?));
        }
        // `MGET` answers the same for a key of another type as for a missing key. `GET` refuses a
        // key of another type.
        let line = self.run(Command::new("GET").key(key)).await?;
        if !line.is_null() {
            return Ok(Some(line.text()?));
        }
        self.confirm_absence(partition).await.map(|()| None)
    }

    /// Calls a function on the keys of one partition.
    pub async fn call(&self, partition: Partition, call: &Call) -> Result<Reply, RedisError> {
        self.library.call(&self.redis, partition, call).await
    }

    /// Emits an event that is a change by itself. An event that reports another change is emitted by
    /// the function that makes this change, in the same step.
    pub async fn emit<E: Event>(&self, partition: Partition, event: &E) -> Result<(), RedisError> {
        let fields = event.encode().into_iter();
        let words = fields.flat_map(|(name, value)| [name.to_owned(), value]);
        let add = Command::new("XADD").key(partition.key(E::STREAM)).arg("*");
        self.run_confirmed(add.args(words)).await.map(drop)
    }

    /// Loads the functions on the node that owns `partition`.
    pub async fn load_functions(&self, partition: Partition) -> Result<(), RedisError> {
        self.library.load(&self.redis, partition).await
    }

    /// The layout of the stores that this build reads and writes.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The name of the function library of this build.
    pub fn library(&self) -> &str {
        self.library.name()
    }

    /// Whether the store is spread over the nodes of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.redis.is_cluster()
    }

    /// Whether every partition still has its identity. An error says that a newer build has
    /// migrated a partition, or that it belongs to another service.
    pub async fn has_identity(&self) -> Result<bool, RedisError> {
        for partition in self.partitions.all() {
            if !self.is_identified(partition).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The text of the identity of a partition; `None` if it has none.
    pub(crate) async fn identity(
        &self,
        partition: Partition,
    ) -> Result<Option<String>, RedisError> {
        let identity = Command::new("GET").key(partition.key(IDENTITY));
        let identity = self.run(identity).await?;
        if identity.is_null() {
            return Ok(None);
        }
        Ok(Some(identity.text()?))
    }

    /// Whether one partition still has its identity; errors as in [`Store::has_identity`].
    pub(crate) async fn is_identified(&self, partition: Partition) -> Result<bool, RedisError> {
        let Some(identity) = self.identity(partition).await? else {
            return Ok(false);
        };
        let (service, version) = (self.layout.service, self.layout.version());
        if identity.contains(&belongs(service, version)) {
            return Ok(true);
        }
        let reason = format!("this store is not one of {service} with layout {version}");
        Err(RedisError::not_now(Code::OtherLayout, &reason))
    }

    /// Makes sure that every partition has its identity.
    pub(crate) async fn confirm_identity(&self) -> Result<(), RedisError> {
        for partition in self.partitions.all() {
            self.confirm_absence(partition).await?;
        }
        Ok(())
    }

    /// Makes sure that a partition still has its identity, after a key was not found. Otherwise the
    /// key may be missing because the store has lost all its data.
    pub async fn confirm_absence(&self, partition: Partition) -> Result<(), RedisError> {
        if self.is_identified(partition).await? {
            return Ok(());
        }
        Err(RedisError::not_now(
            Code::NoIdentity,
            "this store has lost its data",
        ))
    }

    /// The time on the clock of the store.
    pub async fn now(&self, partition: Partition) -> Result<Timestamp, RedisError> {
        let time = Command::new("TIME").to_owner_of(&partition.key(IDENTITY));
        let [seconds, microseconds] = self.redis.run(time).await?.exactly("a time")?;
        let ms = seconds.unsigned()?.saturating_mul(1_000);
        Ok(Timestamp::from_millis(
            ms.saturating_add(microseconds.unsigned()? / 1_000),
        ))
    }

    /// Whether the clocks of the store and of this process differ by at most [`MAX_SKEW`].
    pub async fn agrees_on_time(&self, partition: Partition) -> Result<bool, RedisError> {
        let now = self.now(partition).await?;
        let here = clock().unwrap_or(now);
        Ok(now <= here.later_by(MAX_SKEW) && here <= now.later_by(MAX_SKEW))
    }

    /// The replication id of the server that owns `partition`. Each restart and each failover gives
    /// the server a new id, even where a former primary takes over again without a restart.
    pub async fn replication_id(&self, partition: Partition) -> Result<String, RedisError> {
        let info = self.info(partition, "replication").await?;
        Ok(info_field(&info, "master_replid")
            .unwrap_or_default()
            .to_owned())
    }

    /// The incarnation of this store: the replication ids of all servers that keep a part of it.
    pub(crate) async fn incarnation(&self) -> Result<String, RedisError> {
        let partitions = self.partitions.all();
        let ids = join_all(partitions.map(|partition| self.replication_id(partition))).await;
        let ids = ids
            .into_iter()
            .collect::<Result<BTreeSet<String>, RedisError>>()?;
        Ok(ids.into_iter().collect::<Vec<_>>().join(" "))
    }

    /// A section of `INFO` of the node that owns `partition`.
    pub(crate) async fn info(
        &self,
        partition: Partition,
        section: &'static str,
    ) -> Result<String, RedisError> {
        let info = Command::new("INFO")
            .arg(section)
            .to_owner_of(&partition.key(IDENTITY));
        Ok(self.run(info).await?.text()?)
    }
}

/// Reads lines of one partition. The identity leads the reply, because the client takes certain
/// texts at the beginning of a reply for something else (see [`crate::redis`]).
async fn read_lines(
    redis: &Redis,
    partition: Partition,
    keys: Vec<String>,
) -> Result<Vec<Reply>, RedisError> {
    if let [key] = &keys[..] {
        // `MGET` of one key costs a third more, and hides that a key has another type.
        return Ok(vec![
            redis.run(Command::new("GET").key(key.as_str())).await?,
        ]);
    }
    let count = 1 + keys.len();
    let read = Command::new("MGET").key(partition.key(IDENTITY));
    let mut lines = redis
        .run(keys.into_iter().fold(read, Command::key))
        .await?
        .list_of(count)?;
    lines.remove(0);
    Ok(lines)
}
