//! Trimming: a stream keeps what some group still needs, and what is younger than its retention.
//! Nothing else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::entry_id::EntryId;
use crate::event::Event;
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Command, RedisError};

/// Pause between two trims. Far longer than a store may forget.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(30);
/// Calls per trim. Redis removes at most 100 nodes of 100 entries with one call, so that no call
/// takes long.
const MAX_CALLS: usize = 1_000;

/// Trims one stream, time and again.
///
/// What was still needed at the last trim is kept for one more: whoever has acknowledged it since
/// may not yet have on its disk, or on its replicas, what it did about it.
pub struct Trimmer {
    store: OwnStore,
    retention: Duration,
    /// The oldest entry that was needed at the last trim, for each partition.
    needed: Mutex<HashMap<Partition, EntryId>>,
}

impl Trimmer {
    /// A trimmer of a stream in `store`.
    pub fn new(store: OwnStore, retention: Duration) -> Self {
        Self { store, retention, needed: Mutex::default() }
    }

    /// Removes from the stream of `E`, in every partition, what every group had acknowledged at
    /// the last trim already, and what is older by the retention than the oldest entry that some
    /// group still needed.
    ///
    /// While the group of `E` does not exist, nothing is removed: it is created again at the
    /// beginning of the stream, and must find there whatever it had not acknowledged.
    pub async fn trim<E: Event>(&self) -> Result<(), RedisError> {
        for partition in self.store.partitions().all() {
            let key = partition.key(E::STREAM);
            let Some(needed) = oldest_needed(&self.store, &key, E::GROUP).await? else {
                continue;
            };
            if let Some(before) = self.remember(partition, needed) {
                let needed = needed.min(before);
                trim_stream(&self.store, partition, &key, needed, self.retention).await?;
            }
        }
        Ok(())
    }

    /// Remembers what is needed now, and answers what was needed at the last trim.
    fn remember(&self, partition: Partition, needed: EntryId) -> Option<EntryId> {
        let mut before = self.needed.lock().unwrap_or_else(PoisonError::into_inner);
        before.insert(partition, needed)
    }
}

async fn trim_stream(
    store: &OwnStore,
    partition: Partition,
    key: &str,
    needed: EntryId,
    retention: Duration,
) -> Result<(), RedisError> {
    let now_ms = store.now(partition).await?.as_millis();
    let retention_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    // From the oldest entry still needed, not from now: a reader that was behind keeps the past it
    // may have to repeat.
    let ms = needed.ms.min(now_ms).saturating_sub(retention_ms);
    let mut removed = 0;
    for _ in 0..MAX_CALLS {
        let trim = Command::new("XTRIM").key(key).arg("MINID").arg("~");
        match store.run(trim.arg(format!("{ms}-0"))).await?.unsigned()? {
            0 => break,
            count => removed += count,
        }
    }
    if removed > 0 {
        tracing::info!(stream = key, removed, "trimmed what every group has acknowledged");
    }
    Ok(())
}

/// The oldest entry that some group has not acknowledged, or would be given next. `None` when that
/// cannot be told.
async fn oldest_needed(
    store: &OwnStore,
    key: &str,
    group: &str,
) -> Result<Option<EntryId>, RedisError> {
    let groups = match store.run(Command::new("XINFO").arg("GROUPS").key(key)).await {
        Err(error) if error.is_refusal("ERR no such key") => return Ok(None),
        groups => groups?.list()?,
    };
    let mut oldest = None;
    let mut found = false;
    for info in groups {
        let name = info.clone().field("name")?.text()?;
        let mut needed = parse_id(&info.clone().field("last-delivered-id")?.text()?);
        if info.field("pending")?.unsigned()? > 0 {
            let summary = Command::new("XPENDING").key(key).arg(name.as_str());
            let [_, smallest, _, _] =
                store.run(summary).await?.exactly("a summary of what is pending")?;
            // It was acknowledged in between if there is none; the next trim will see.
            needed =
                if smallest.is_null() { EntryId::default() } else { parse_id(&smallest.text()?) };
        }
        found |= name == group;
        oldest = Some(oldest.map_or(needed, |oldest: EntryId| oldest.min(needed)));
    }
    Ok(oldest.filter(|_| found))
}

/// An id that does not read as one keeps everything.
fn parse_id(id: &str) -> EntryId {
    id.parse().unwrap_or_default()
}
