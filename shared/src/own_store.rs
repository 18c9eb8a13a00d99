//! The store that a service owns: its client, its functions, and what must hold before the service may use it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::backoff::Backoff;
use crate::function::{Call, IDENTITY, Library};
use crate::id::{Partition, Partitions};
use crate::redis::{Command, Redis, RedisError, Reply};
use crate::shutdown::{Shutdown, sleep_unless};
use crate::time::Timestamp;

/// A service's own store. Cheap to clone.
#[derive(Clone)]
pub struct OwnStore {
    redis: Redis,
    library: Arc<Library>,
    partitions: Partitions,
}

/// Where the other service proves that this store once had data: the stream this service reads.
#[derive(Clone)]
pub struct Witness {
    /// A client of the other service's store.
    pub redis: Redis,
    /// The stream, before any partition tag.
    pub stream: &'static str,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not now: the store, or the witness, cannot be reached.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The store is empty although the other service has seen its data.
    #[error(
        "this store has lost its data: it has no identity, yet the stream {stream} tells of earlier \
         orders. Restore its files from a backup, or accept the loss with the verb adopt-store"
    )]
    DataLost {
        /// The stream that tells.
        stream: String,
    },
    /// The server is not fit to keep data. Only a person can change that.
    #[error("the Redis server cannot be used: {0}")]
    Unfit(String),
}

/// The oldest server that has functions and stream lag, by the version it reports.
const MIN_REDIS_VERSION: (u32, u32) = (7, 0);
/// The same for Valkey, which reports its own version beside a Redis-compatible one.
const MIN_VALKEY_VERSION: (u32, u32) = (7, 2);
/// Wait between two attempts to open a store.
const OPEN_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(2),
};

impl OwnStore {
    /// The store behind `redis`, changed only through `library`.
    pub fn new(redis: Redis, library: Library, partitions: Partitions) -> Self {
        Self {
            redis,
            library: Arc::new(library),
            partitions,
        }
    }

    /// How its keys are spread.
    pub fn partitions(&self) -> Partitions {
        self.partitions
    }

    /// Sends a plain command.
    pub async fn run(&self, command: Command) -> Result<Reply, RedisError> {
        self.redis.run(command).await
    }

    /// Calls a function on the keys of one partition.
    pub async fn call(&self, partition: Partition, call: &Call) -> Result<Reply, RedisError> {
        self.library.call(&self.redis, partition, call).await
    }

    /// Tries until the store is fit for use; gives up only when it is unfit, or when the process stops.
    pub async fn open(&self, witness: &Witness, shutdown: &Shutdown) -> Result<(), OpenError> {
        let mut failures = 0;
        let mut last = String::new();
        loop {
            let error = match self.try_open(witness).await {
                Ok(()) => return Ok(()),
                Err(error @ OpenError::Unfit(_)) => return Err(error),
                Err(error) => error.to_string(),
            };
            if error != last {
                tracing::warn!("not ready: {error}");
                last = error;
            }
            failures += 1;
            if !sleep_unless(shutdown, OPEN_BACKOFF.wait(failures)).await {
                return Ok(());
            }
        }
    }

    async fn try_open(&self, witness: &Witness) -> Result<(), OpenError> {
        for partition in self.partitions.all() {
            self.check_server(partition).await?;
            self.library.load(&self.redis, partition).await?;
        }
        self.ensure_identity(witness).await
    }

    /// Answers whether every partition still has its identity.
    pub async fn has_identity(&self) -> Result<bool, RedisError> {
        for partition in self.partitions.all() {
            let exists = Command::new("EXISTS").key(partition.key(IDENTITY));
            if self.redis.run(exists).await?.int()? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives an empty store its identity, whatever was lost before.
    pub async fn adopt(&self) -> Result<(), RedisError> {
        for partition in self.partitions.all() {
            let set = Command::new("SET").key(partition.key(IDENTITY));
            self.redis
                .run(set.arg(Uuid::now_v7().to_string()).arg("NX"))
                .await?;
        }
        Ok(())
    }

    /// The time on the clock of the store.
    pub async fn now(&self, partition: Partition) -> Result<Timestamp, RedisError> {
        let time = Command::new("TIME").to_owner_of(&partition.key(IDENTITY));
        let [seconds, microseconds] = self.redis.run(time).await?.exactly("a time")?;
        Ok(Timestamp::from_millis(
            seconds.unsigned()? * 1_000 + microseconds.unsigned()? / 1_000,
        ))
    }

    /// The newest ids of an index, or those before `before`, newest first. Every partition has an index of its own.
    pub async fn newest_ids<Id>(
        &self,
        index: impl Fn(Partition) -> String,
        before: Option<Id>,
        limit: usize,
    ) -> Result<Vec<Id>, RedisError>
    where
        Id: FromStr<Err: Display> + Display + Ord,
    {
        let from = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        let limit_arg = i64::try_from(limit).unwrap_or(i64::MAX);
        let lists = all(self.partitions.all().map(|partition| {
            let range = Command::new("ZRANGE")
                .key(index(partition))
                .arg(from.as_str())
                .arg("-");
            self.redis.run(
                range
                    .arg("BYLEX")
                    .arg("REV")
                    .arg("LIMIT")
                    .arg(0)
                    .arg(limit_arg),
            )
        }));
        let mut ids: Vec<Id> = Vec::new();
        for list in lists.await {
            for text in list?.texts()? {
                ids.push(
                    text.parse()
                        .map_err(|error| RedisError::Refused(format!("{text}: {error}")))?,
                );
            }
        }
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.truncate(limit);
        Ok(ids)
    }

    /// Identifies one life of the server that keeps `partition`: another one after each restart and failover.
    pub async fn epoch(&self, partition: Partition) -> Result<String, RedisError> {
        let info = self.info(partition, "server").await?;
        Ok(info_field(&info, "run_id").unwrap_or_default().to_owned())
    }

    /// A store without identity is either new or has lost everything. The stream that this service reads tells which: it
    /// has entries only if there were products, and so orders, before.
    async fn ensure_identity(&self, witness: &Witness) -> Result<(), OpenError> {
        if self.has_identity().await? {
            return Ok(());
        }
        for partition in self.partitions.all() {
            let stream = partition.key(witness.stream);
            if entries_added(&witness.redis, &stream).await? > 0 {
                return Err(OpenError::DataLost { stream });
            }
        }
        Ok(self.adopt().await?)
    }

    async fn check_server(&self, partition: Partition) -> Result<(), OpenError> {
        let info = self.info(partition, "everything").await?;
        let (product, minimum, version) = match info_field(&info, "valkey_version") {
            Some(version) => ("Valkey", MIN_VALKEY_VERSION, version),
            None => (
                "Redis",
                MIN_REDIS_VERSION,
                info_field(&info, "redis_version").unwrap_or(""),
            ),
        };
        if parse_version(version) < Some(minimum) {
            let (major, minor) = minimum;
            return Err(OpenError::Unfit(format!(
                "{product} {version}, need {major}.{minor} or newer"
            )));
        }
        match info_field(&info, "maxmemory_policy") {
            Some("noeviction") => {}
            policy => {
                let policy = policy.unwrap_or("unknown");
                return Err(OpenError::Unfit(format!(
                    "maxmemory-policy is {policy}, need noeviction"
                )));
            }
        }
        if info_field(&info, "aof_enabled") != Some("1") {
            tracing::warn!(
                "the store keeps no append-only file: a restart of Redis loses accepted orders"
            );
        }
        Ok(())
    }

    async fn info(
        &self,
        partition: Partition,
        section: &'static str,
    ) -> Result<String, RedisError> {
        let info = Command::new("INFO")
            .arg(section)
            .to_owner_of(&partition.key(IDENTITY));
        Ok(self.redis.run(info).await?.text()?)
    }
}

/// The places of `items` in their list, grouped by partition: one function call for each group.
pub fn by_partition<T>(
    items: &[T],
    partition_of: impl Fn(&T) -> Partition,
) -> BTreeMap<Partition, Vec<usize>> {
    let mut groups: BTreeMap<Partition, Vec<usize>> = BTreeMap::new();
    for (place, item) in items.iter().enumerate() {
        groups.entry(partition_of(item)).or_default().push(place);
    }
    groups
}

/// Runs commands at the same time; they share one connection and one write. Results come in the order of the commands.
pub async fn all<F: Future>(commands: impl Iterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(commands).await
}

/// How many entries a stream ever had; 0 where there is no stream.
async fn entries_added(redis: &Redis, stream: &str) -> Result<u64, RedisError> {
    match redis
        .run(Command::new("XINFO").arg("STREAM").key(stream))
        .await
    {
        Ok(info) => Ok(info.field("entries-added")?.unsigned()?),
        Err(error) if error.is_refusal("ERR no such key") => Ok(0),
        Err(error) => Err(error),
    }
}

fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse_version("6.2.14") < Some(MIN_REDIS_VERSION));
        assert!(parse_version("10.0.0") > Some(MIN_REDIS_VERSION));
        assert!(parse_version("7.0.15") >= Some(MIN_REDIS_VERSION));
        assert!(parse_version("garbage") < Some(MIN_REDIS_VERSION));
    }

    #[test]
    fn a_field_of_info_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
        assert_eq!(info_field(info, "run_id"), Some("abc"));
        assert_eq!(info_field(info, "run"), None);
    }
}
