//! Marks in a store: a replay is due, although the incarnation of the store is the recorded one.
//!
//! A consumer writes a mark before it does or forgets what makes the replay due. So a consumer that
//! dies before the end of the replay leaves the mark, and the next look of any consumer of the
//! partition begins the replay. A replay removes only the marks that were there when it began.

use uuid::Uuid;

use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// Hash from the id of a mark to the reason of the replay.
const REPLAYS_DUE: &str = "replays_due";

/// Writes a mark, and answers its id.
pub(crate) async fn mark(
    store: &Store,
    partition: Partition,
    reason: &str,
) -> Result<String, RedisError> {
    let id = Uuid::now_v7().to_string();
    let set = Command::new("HSET").key(partition.key(REPLAYS_DUE));
    store.run(set.arg(id.as_str()).arg(reason)).await?;
    Ok(id)
}

/// The ids of all marks.
pub(crate) async fn read(store: &Store, partition: Partition) -> Result<Vec<String>, RedisError> {
    let marks = Command::new("HGETALL").key(partition.key(REPLAYS_DUE));
    let marks = store.run(marks).await?.map()?;
    Ok(marks.into_iter().map(|(id, _)| id).collect())
}

/// Removes these marks.
pub(crate) async fn remove(
    store: &Store,
    partition: Partition,
    marks: Vec<String>,
) -> Result<(), RedisError> {
    if marks.is_empty() {
        return Ok(());
    }
    let remove = Command::new("HDEL").key(partition.key(REPLAYS_DUE));
    store.run(remove.args(marks)).await.map(drop)
}

/// Removes all marks, because a person decided that nothing is acted on again.
pub(crate) async fn remove_all(store: &Store, partition: Partition) -> Result<(), RedisError> {
    let remove = Command::new("UNLINK").key(partition.key(REPLAYS_DUE));
    store.run(remove).await.map(drop)
}
