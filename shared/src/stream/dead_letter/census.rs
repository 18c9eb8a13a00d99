//! Counts and lists dead letters.

use std::time::Duration;

use super::{DEAD_LETTERS, DeadLetters, letter};
use futures_util::future::join_all;

use crate::contract::entry_id::EntryId;
use crate::redis::{Code, Command, RedisError, Reply};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::group::Pace;
use crate::stream::stream_state::read_id;

/// The number of dead letters in one partition, and their ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) count: u64,
    pub(super) oldest: EntryId,
    pub(super) newest: EntryId,
}

/// The number and the age of the dead letters of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dead {
    /// The number of dead letters.
    pub count: u64,
    /// The age of the oldest dead letter, by the clock of the store.
    pub oldest_for: Duration,
}

/// The most dead letters that one command reads.
const PAGE: usize = 100;

impl Census {
    pub(super) async fn of(store: &Store, partition: Partition) -> Result<Self, RedisError> {
        let info = Command::new("XINFO")
            .arg("STREAM")
            .key(partition.key(DEAD_LETTERS));
        let info = match store.run(info).await {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(Self::default()),
            info => info?,
        };
        let count = info.clone().field("length")?.unsigned()?;
        let end = |entry: Reply| -> Result<EntryId, RedisError> {
            if entry.is_null() {
                return Ok(EntryId::default());
            }
            let [id, _] = entry.exactly("an entry")?;
            read_id(&id.text()?)
        };
        let oldest = end(info.clone().field("first-entry")?)?;
        Ok(Self {
            count,
            oldest,
            newest: end(info.field("last-entry")?)?,
        })
    }
}

impl Dead {
    /// Counts the dead letters of all partitions.
    pub async fn of(store: &Store) -> Result<Self, RedisError> {
        let looks = store
            .partitions()
            .all()
            .map(|partition| Self::in_partition(store, partition));
        let found = join_all(looks)
            .await
            .into_iter()
            .collect::<Result<Vec<Self>, RedisError>>()?;
        Ok(found.into_iter().fold(Self::default(), Self::and))
    }

    /// Counts the dead letters of one partition.
    pub(super) async fn in_partition(
        store: &Store,
        partition: Partition,
    ) -> Result<Self, RedisError> {
        let census = Census::of(store, partition).await?;
        let now = store.now(partition).await?;
        let age = now.as_millis().saturating_sub(census.oldest.ms);
        let oldest_for = if census.count > 0 { age } else { 0 };
        Ok(Self {
            count: census.count,
            oldest_for: Duration::from_millis(oldest_for),
        })
    }

    /// The dead letters of both.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            oldest_for: self.oldest_for.max(other.oldest_for),
        }
    }

    /// The age of the oldest dead letter, in words.
    pub fn age(&self) -> String {
        humantime::format_duration(Duration::from_secs(self.oldest_for.as_secs())).to_string()
    }
}

/// Shows up to `limit` dead letters, oldest first in each partition, one line of JSON each.
pub async fn list(
    store: &Store,
    limit: usize,
    mut show: impl FnMut(String) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (mut shown, mut pace) = (0, Pace::cautious());
    for partition in store.partitions().all() {
        let dead_letters = DeadLetters { store, partition };
        let mut next = EntryId::default();
        while shown < limit {
            let count = pace.count(PAGE.min(limit - shown));
            let found = dead_letters.read(&next.to_string(), "+", count).await?;
            pace.learn(count, &found);
            let Some(last) = found.last() else { break };
            let after = read_id(&last.id)?.next();
            shown += found.len();
            for dead in found {
                let fields = letter::as_json(&dead.fields.unwrap_or_default());
                show(serde_json::json!({ "id": dead.id, "fields": fields }).to_string())?;
            }
            match after {
                Some(after) if after > next => next = after,
                _ => break,
            }
        }
    }
    Ok(())
}
