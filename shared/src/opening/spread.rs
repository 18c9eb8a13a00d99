//! A store remembers how its keys are spread. With another number of partitions a service would look
//! for everything elsewhere, and find nothing.
//!
//! The number stands in the identity of each partition, behind it; a store without partitions is
//! told by the key of its identity, which has no tag.

use super::OpenError;
use crate::function::IDENTITY;
use crate::id::{Partition, Partitions};
use crate::own_store::OwnStore;
use crate::redis::{Command, RedisError};

impl Partitions {
    /// What is kept as the identity of a partition.
    pub(super) fn note(self, identity: &str) -> String {
        self.count().map_or_else(|| identity.to_owned(), |count| format!("{identity} {count}"))
    }
}

impl OwnStore {
    /// Makes sure that the store was made with the partitions of this process, or is new. Changes
    /// nothing but a store that does not remember them yet.
    pub(super) async fn check_partitions(&self) -> Result<(), OpenError> {
        let wanted = self.partitions();
        let refuse = |made: Option<u16>| OpenError::OtherPartitions {
            made: told(made),
            wanted: told(wanted.count()),
        };
        match wanted.count() {
            // A store with partitions has a first one.
            None => match self.identity(Partition::at(Some(0))).await? {
                Some(identity) => return Err(refuse(Some(noted(&identity).unwrap_or(1)))),
                None => return Ok(()),
            },
            Some(_) if self.identity(Partition::at(None)).await?.is_some() => {
                return Err(refuse(None));
            }
            Some(_) => {}
        }
        for partition in wanted.all() {
            let Some(identity) = self.identity(partition).await? else { continue };
            match noted(&identity) {
                None => self.write_note(partition, &identity).await?,
                made if made != wanted.count() => return Err(refuse(made)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn identity(&self, partition: Partition) -> Result<Option<String>, RedisError> {
        let identity = self.run(Command::new("GET").key(partition.key(IDENTITY))).await?;
        if identity.is_null() { Ok(None) } else { Ok(Some(identity.text()?)) }
    }

    async fn write_note(&self, partition: Partition, identity: &str) -> Result<(), RedisError> {
        let set = Command::new("SET").key(partition.key(IDENTITY));
        self.run(set.arg(self.partitions().note(identity)).arg("XX")).await.map(drop)
    }
}

/// The number of partitions that an identity was written with.
fn noted(identity: &str) -> Option<u16> {
    identity.split_once(' ')?.1.parse().ok()
}

fn told(count: Option<u16>) -> String {
    count
        .map_or_else(|| "without PARTITIONS".to_owned(), |count| format!("with PARTITIONS={count}"))
}
