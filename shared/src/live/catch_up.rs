//! Reads the changes that a disconnected client has missed, from the streams of changes.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::live::position::{
    CHANGES, Change, FeedPosition, History, Lag, Mark, behind, parse_changes,
};
use crate::redis::{Command, Entry, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// The last change that a client has seen, in each partition.
pub type FeedPositions = BTreeMap<Partition, FeedPosition>;

/// Some of the changes that a client has missed: those of all partitions, in the order of time.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct MissedPage {
    pub(super) changes: Vec<Change>,
    /// The number of these changes; a malformed entry counts as one.
    pub(super) count: usize,
    /// Whether the client has missed more changes than these.
    pub(super) has_more: bool,
}

/// What one read of a partition found.
#[derive(Debug)]
struct Found {
    partition: Partition,
    steps: Vec<Step>,
    /// Whether the read was full, so that the partition may have more changes.
    is_full: bool,
}

/// A change, or a malformed entry.
#[derive(Debug)]
struct Step {
    position: FeedPosition,
    partition: Partition,
    change: Option<Change>,
}

/// Most entries in one read. Each entry has up to 16 changes (`announce` in `prelude.lua`).
pub(super) const ENTRIES: u16 = 32;
/// Most changes that are read at once for a client that reconnects.
const PAGE: usize = 100;

/// The position in each partition from which a client goes on after `mark`. `None` if the store no
/// longer has all changes since then, or if there are more than `limit`.
pub(super) async fn positions_after(
    store: &Store,
    mark: Mark,
    limit: usize,
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
    let few = !exceeds(store, &positions, limit).await?;
    Ok(Some(positions).filter(|_| few))
}

/// Whether more than `limit` changes follow these positions. A full read has at least
/// [`ENTRIES`] - 1 of them, so the number of reads has a limit too.
async fn exceeds(
    store: &Store,
    positions: &FeedPositions,
    limit: usize,
) -> Result<bool, RedisError> {
    let mut count = 0;
    for (&partition, &after) in positions {
        let mut next = Some(after);
        while let Some(after) = next {
            let found = Found::read(store, partition, after).await?;
            count += found.steps.len();
            if count > limit {
                return Ok(true);
            }
            next = found.end();
        }
    }
    Ok(false)
}

/// The next changes after `positions`, which move on. `None` if the store no longer has all of
/// them.
pub(super) async fn next_changes(
    store: &Store,
    positions: &mut FeedPositions,
) -> Result<Option<MissedPage>, RedisError> {
    let (mut found, began) = (Vec::new(), Instant::now());
    for (&partition, &after) in &*positions {
        let read = Found::read(store, partition, after).await?;
        // Many changes may have pushed out some that this client has not been sent.
        if read.is_full
            && !History::read(store, partition)
                .await?
                .is_complete_since(after)
        {
            return Ok(None);
        }
        found.push(read);
    }
    Ok(Some(merge(found, positions, Lag::of(began.elapsed()))))
}

/// The first changes of what was found in all partitions. Nothing behind the end of a full read is
/// taken: the partition may have earlier changes, and a client that reconnects with a later mark
/// would never receive them.
fn merge(found: Vec<Found>, positions: &mut FeedPositions, lag: Lag) -> MissedPage {
    let end = found
        .iter()
        .filter_map(|found| found.end().map(|end| (end, found.partition)))
        .min();
    let mut steps: Vec<Step> = found.into_iter().flat_map(|found| found.steps).collect();
    steps.retain(|step| end.is_none_or(|end| step.place() <= end));
    steps.sort_by_key(Step::place);
    let has_more = end.is_some() || steps.len() > PAGE;
    steps.truncate(PAGE);
    for step in &steps {
        positions.insert(step.partition, step.position);
    }
    let count = steps.len();
    let mut changes: Vec<Change> = steps.into_iter().filter_map(|step| step.change).collect();
    for change in &mut changes {
        change.mark.lag = lag;
    }
    MissedPage {
        changes,
        count,
        has_more,
    }
}

impl Found {
    /// Reads the next entries of a partition.
    async fn read(
        store: &Store,
        partition: Partition,
        after: FeedPosition,
    ) -> Result<Self, RedisError> {
        let range = Command::new("XRANGE")
            .key(partition.key(CHANGES))
            .arg(after.range_start())
            .arg("+")
            .arg("COUNT")
            .arg(i64::from(ENTRIES));
        let entries = store.run(range).await?.entries()?;
        Ok(Self::parse(partition, after, &entries))
    }

    fn parse(partition: Partition, after: FeedPosition, entries: &[Entry]) -> Self {
        let mut steps: Vec<Step> = entries
            .iter()
            .flat_map(|entry| Step::all_of(partition, entry))
            .collect();
        steps.retain(|step| step.position > after);
        Self {
            partition,
            is_full: entries.len() >= usize::from(ENTRIES) && !steps.is_empty(),
            steps,
        }
    }

    /// The position behind a full read.
    fn end(&self) -> Option<FeedPosition> {
        let last = self.steps.last().filter(|_| self.is_full);
        last.map(|step| step.position)
    }
}

impl Step {
    /// The steps of an entry. A malformed entry is one step, so that the reading goes on behind it.
    fn all_of(partition: Partition, entry: &Entry) -> Vec<Self> {
        let changes = parse_changes(partition, entry);
        let malformed = changes.is_empty().then(|| behind(entry)).flatten();
        let malformed = malformed.map(|position| Self {
            position,
            partition,
            change: None,
        });
        let changes = changes.into_iter().map(|change| Self {
            position: change.mark.position,
            partition,
            change: Some(change),
        });
        malformed.into_iter().chain(changes).collect()
    }

    /// Its place in the order of all partitions.
    fn place(&self) -> (FeedPosition, Partition) {
        (self.position, self.partition)
    }
}

#[cfg(test)]
mod tests;
