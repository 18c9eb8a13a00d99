//! Reads the changes that a disconnected client has missed, from the streams of changes.

use std::collections::BTreeMap;

use crate::live::position::{CHANGES, Change, FeedPosition, History, Mark, parse_changes};
use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// The last change that a client has seen, in each partition.
pub type FeedPositions = BTreeMap<Partition, FeedPosition>;

/// Most entries in one read. Each entry has up to 16 changes (`announce` in `prelude.lua`).
pub(super) const ENTRIES: u16 = 32;
/// Most changes that are read at once for a client that reconnects.
const PAGE: usize = 100;

/// The position in each partition from which a client goes on after `mark`. `None` if the store no
/// longer has all changes since then.
pub(super) async fn positions_after(
    store: &Store,
    mark: Mark,
) -> Result<Option<FeedPositions>, RedisError> {
    let mut partitions = store.partitions().all();
    if !partitions.any(|partition| partition == mark.partition) {
        // The mark is of a store with other partitions.
        return Ok(None);
    }
    let mut positions = FeedPositions::new();
    for partition in store.partitions().all() {
        let after = mark.within(partition);
        let history = History::read(store, partition).await?;
        // A position beyond the end belongs to data that the store has lost. This holds only in the
        // partition of the mark: in another partition, the last change may be older than the mark.
        let lost = partition == mark.partition && after > history.end();
        let after = after.min(history.end());
        if lost || !history.is_complete_since(after) {
            return Ok(None);
        }
        positions.insert(partition, after);
    }
    Ok(Some(positions))
}

/// The next changes after `positions`, which move on. The changes of one call are of all partitions,
/// and in the order of time.
pub(super) async fn next_changes(
    store: &Store,
    positions: &mut FeedPositions,
) -> Result<Vec<Change>, RedisError> {
    let mut changes = Vec::new();
    for (&partition, after) in &*positions {
        let range = Command::new("XRANGE")
            .key(partition.key(CHANGES))
            .arg(after.range_start())
            .arg("+")
            .arg("COUNT")
            .arg(i64::from(ENTRIES));
        let entries = store.run(range).await?.entries()?;
        let told = entries
            .iter()
            .flat_map(|entry| parse_changes(partition, entry));
        changes.extend(told.filter(|change| change.mark.position > *after));
    }
    changes.sort_by_key(|change| (change.mark.position, change.mark.partition));
    changes.truncate(PAGE);
    for Change { mark, .. } in &changes {
        positions.insert(mark.partition, mark.position);
    }
    Ok(changes)
}
