//! Up to which incarnation of the store its service has acted on everything.
//!
//! A new incarnation may have forgotten effects. So the consumer acts on the recent past again, and
//! records the new incarnation afterwards.

use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// The key of the recorded incarnation.
const INCARNATION: &str = "incarnation";

/// Records that everything was acted on up to this incarnation.
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
