//! Prepares the store for the beginning of a history.

use shared::redis::{Command, Redis};
use shared::store::Store;
use shared::store::function::IDENTITY;
use shared::store::partition::Partition;

use super::snapshot::{Kept, Snapshot};

/// Empties the store except for its identity, and answers the time of the store in milliseconds.
pub(super) async fn clear(
    operator: &Redis,
    store: &Store,
    partition: Partition,
    identity: &str,
) -> u64 {
    run(operator, Command::new("FLUSHALL")).await;
    let set = Command::new("SET").key(partition.key(IDENTITY));
    run(operator, set.arg(identity)).await;
    now(store, partition).await
}

/// Writes the hashes with which a history begins.
pub(super) async fn fill(operator: &Redis, beginning: Snapshot) {
    for (key, kept) in beginning {
        if let Kept::Hash(fields) = kept
            && !fields.is_empty()
        {
            let words = fields.into_iter().flat_map(|(name, value)| [name, value]);
            run(operator, Command::new("HSET").key(key).args(words)).await;
        }
    }
}

/// The time of the store in milliseconds.
pub(super) async fn now(store: &Store, partition: Partition) -> u64 {
    store
        .now(partition)
        .await
        .expect("the store has a clock")
        .as_millis()
}

pub(super) async fn run(operator: &Redis, command: Command) {
    operator
        .run(command)
        .await
        .expect("the store answers its operator");
}
