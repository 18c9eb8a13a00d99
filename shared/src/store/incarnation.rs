//! The recorded incarnation of a store: the last one that lacks no effect of an acknowledged entry.
//!
//! A new incarnation may have forgotten effects. So the consumer replays the recent past, and
//! records the new incarnation afterwards. A crash before leaves the old one, and the replay begins
//! anew.

use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// The key of the recorded incarnation.
const INCARNATION: &str = "incarnation";

/// Records that this incarnation has all effects of acknowledged entries.
pub(crate) async fn record(
    store: &Store,
    partition: Partition,
    incarnation: &str,
) -> Result<(), RedisError> {
    let set = Command::new("SET")
        .key(partition.key(INCARNATION))
        .arg(incarnation);
    store.run(set).await.map(drop)
}

/// Forgets the recorded incarnation, so that a replay is due. A store without memory takes this
/// command, and refuses a mark (`due`).
pub(crate) async fn forget(store: &Store, partition: Partition) -> Result<(), RedisError> {
    let forget = Command::new("UNLINK").key(partition.key(INCARNATION));
    store.run(forget).await.map(drop)
}

/// Whether this incarnation is the recorded one.
pub(crate) async fn is_recorded(
    store: &Store,
    partition: Partition,
    incarnation: &str,
) -> Result<bool, RedisError> {
    let get = Command::new("GET").key(partition.key(INCARNATION));
    let recorded = store.run(get).await?;
    Ok(!recorded.is_null() && recorded.text()? == incarnation)
}
