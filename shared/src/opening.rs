//! What must hold before a service may use its store: the server is fit to keep data, the functions
//! are loaded, and the store is the one that it was.

use std::time::Duration;

use uuid::Uuid;

use crate::backoff::Backoff;
use crate::cursor::{Fit, StreamState};
use crate::function::IDENTITY;
use crate::id::Partition;
use crate::own_store::{OwnStore, info_field};
use crate::redis::{Command, Redis, RedisError};
use crate::shutdown::{Shutdown, sleep_unless};

mod spread;

/// Where the other service proves that this store once had data: the stream this service reads.
#[derive(Clone)]
pub struct Witness {
    /// A client of the other service's store.
    pub redis: Redis,
    /// The stream, before any partition tag.
    pub stream: &'static str,
    /// The group that this service makes there once it has opened its store.
    pub group: &'static str,
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not now: the store, or the witness, cannot be reached.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The store is empty although the other service has seen its data.
    #[error(
        "this store has lost its data: it has no identity, yet the stream {stream} knows this service. \
         Restore its files from a backup, or accept the loss with the verb adopt-store"
    )]
    DataLost {
        /// The stream that tells.
        stream: String,
    },
    /// The keys lie elsewhere than this process would look for them. Only a person can change that.
    #[error("this store was made {made}, not {wanted}, and cannot be changed")]
    OtherPartitions {
        /// How the store was made.
        made: String,
        /// What this process was told.
        wanted: String,
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
const OPEN_BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(50), max: Duration::from_secs(2) };

impl OwnStore {
    /// Tries until the store is fit for use; gives up only when it is unfit, or when the process
    /// stops.
    pub async fn open(&self, witness: &Witness, shutdown: &Shutdown) -> Result<(), OpenError> {
        let mut failures = 0;
        let mut last = String::new();
        loop {
            let error = match self.try_open(witness).await {
                Ok(()) => return Ok(()),
                Err(error @ (OpenError::Unfit(_) | OpenError::OtherPartitions { .. })) => {
                    return Err(error);
                }
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
        for partition in self.partitions().all() {
            self.check_server(partition).await?;
        }
        self.check_partitions().await?;
        for partition in self.partitions().all() {
            self.load_functions(partition).await?;
        }
        self.ensure_identity(witness).await
    }

    /// Gives an empty store its identity, whatever was lost before. With the data went all memory
    /// of what was done; acting on the recent past again would find no product and refund orders
    /// that were served, so none of it is repeated.
    pub async fn adopt(&self) -> Result<(), RedisError> {
        for partition in self.partitions().all() {
            if self.is_identified(partition).await? {
                continue;
            }
            self.remember_life(partition, &self.life().await?).await?;
            let set = Command::new("SET").key(partition.key(IDENTITY));
            let identity = self.partitions().note(&Uuid::now_v7().to_string());
            self.run(set.arg(identity).arg("NX")).await?;
        }
        Ok(())
    }

    /// Accepts that something is lost: from here on, the store and the stream are taken as they are.
    /// Where nothing is lost, nothing changes.
    pub async fn accept_loss(&self, witness: &Witness) -> Result<(), OpenError> {
        self.check_partitions().await?;
        for partition in self.partitions().all() {
            let stream = partition.key(witness.stream);
            let state = StreamState::read(&witness.redis, &stream, witness.group).await?;
            let cursor = self.cursor(&stream).await?;
            if let Fit::Lost(_) = state.fit(&witness.redis, &stream, cursor).await? {
                self.reset_cursor(&stream, state.cursor_at(state.delivered)).await?;
                self.remember_life(partition, &self.life().await?).await?;
            }
        }
        Ok(self.adopt().await?)
    }

    /// A store without identity is either new or has lost everything. The stream that this service
    /// reads tells which: its group is made only by a service that has opened its store, and
    /// entries come only from orders.
    async fn ensure_identity(&self, witness: &Witness) -> Result<(), OpenError> {
        if self.has_identity().await? {
            return Ok(());
        }
        let mut known = None;
        for partition in self.partitions().all() {
            let stream = partition.key(witness.stream);
            if is_known(witness, &stream).await? {
                known = Some(stream);
            }
        }
        // Another process of this service may have opened the new store in between, and made the
        // group.
        match known {
            Some(stream) if !self.has_identity().await? => Err(OpenError::DataLost { stream }),
            _ => Ok(self.adopt().await?),
        }
    }

    async fn check_server(&self, partition: Partition) -> Result<(), OpenError> {
        let info = self.info(partition, "everything").await?;
        let (product, minimum, version) = match info_field(&info, "valkey_version") {
            Some(version) => ("Valkey", MIN_VALKEY_VERSION, version),
            None => ("Redis", MIN_REDIS_VERSION, info_field(&info, "redis_version").unwrap_or("")),
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
}

/// Whether a stream ever had an entry, or has the group.
async fn is_known(witness: &Witness, stream: &str) -> Result<bool, RedisError> {
    let xinfo = |about: &'static str| Command::new("XINFO").arg(about).key(stream);
    let info = match witness.redis.run(xinfo("STREAM")).await {
        Err(error) if error.is_refusal("ERR no such key") => return Ok(false),
        info => info?,
    };
    if info.field("entries-added")?.unsigned()? > 0 {
        return Ok(true);
    }
    for group in witness.redis.run(xinfo("GROUPS")).await?.list()? {
        if group.field("name")?.text()? == witness.group {
            return Ok(true);
        }
    }
    Ok(false)
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
