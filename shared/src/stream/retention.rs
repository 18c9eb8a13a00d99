//! Trimming: a stream keeps the entries that some group still needs, and the entries of its
//! retention before them. Older entries are removed. A group of another service is heeded only for
//! a limited time, because such a group may be abandoned.
//!
//! The ids of entries carry the clock of the store, which may be wrong for a while. So an entry is
//! trimmed only if it was acknowledged some time ago on the monotonic clock of this machine.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

mod groups;

use crate::contract::entry_id::EntryId;
use crate::contract::event::Event;
use crate::contract::time::Timestamp;
use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::retention::groups::{Groups, Loss};

/// Trims one stream again and again.
///
/// Entries that some group needed at the last trims are kept for a while. A reader may have
/// acknowledged them since, but their effects may not yet be on the disk or on the replicas of its
/// own store.
pub struct Trimmer {
    store: Store,
    limits: Limits,
    /// How long ago an entry must have been acknowledged.
    settled: Duration,
    memories: Mutex<HashMap<Partition, Memory>>,
}

/// How long entries stay in a stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long an entry stays that every group has acknowledged.
    pub retention: Duration,
    /// How long an entry stays because a group of another service has not acknowledged it.
    pub foreign_groups: Duration,
}

/// What is remembered about one partition between two trims.
#[derive(Default)]
struct Memory {
    looks: Looks,
    /// What the own group needed. While the ids stand still, this tells how far a foreign group is
    /// behind.
    own: Looks,
    /// The groups that lost entries, and were warned of.
    warned: BTreeSet<String>,
}

/// The oldest entry that was needed at each of the last looks, and when that was.
#[derive(Default)]
struct Looks(VecDeque<(Instant, EntryId)>);

/// Pause between two trims. Far longer than the time of effects that a store may lose in a crash.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(30);
/// The most calls of one trim. Redis removes at most 100 nodes of 100 entries with one call, so no
/// call takes long.
const MAX_CALLS: usize = 1_000;

/// How far the ids of a stream may be ahead of the clock of its store. Further ahead means that the
/// clock was set back, and ids do not tell how old an entry is.
const MAX_AHEAD: Duration = Duration::from_mins(1);
/// In how many looks the time is divided that is remembered for each partition.
const MAX_LOOKS: u32 = 64;

impl Trimmer {
    /// A trimmer of a stream in `store`. It removes entries that have been acknowledged for
    /// `settled`.
    pub fn new(store: Store, limits: Limits, settled: Duration) -> Self {
        Self {
            store,
            limits,
            settled,
            memories: Mutex::default(),
        }
    }

    /// Removes old entries from the stream of `E`, in every partition. Every group acknowledged
    /// these entries some time ago, or is a foreign group that is too far behind. The entries are
    /// older, by the retention, than the oldest entry that some group still needs.
    ///
    /// While the group of `E` does not exist, nothing is removed. The group is created again at the
    /// beginning of the stream, and must find there all entries that it had not acknowledged.
    pub async fn trim<E: Event>(&self) -> Result<(), RedisError> {
        for partition in self.store.partitions().all() {
            let key = partition.key(E::STREAM);
            if let Some(groups) = Groups::read(&self.store, &key, E::GROUP).await? {
                self.trim_behind(partition, &key, &groups).await?;
            }
        }
        Ok(())
    }

    async fn trim_behind(
        &self,
        partition: Partition,
        key: &str,
        groups: &Groups,
    ) -> Result<(), RedisError> {
        let limit = self.limits.foreign_groups;
        let mut heeded_from = groups.heeded_from(&self.store, key, limit).await?;
        let now = self.store.now(partition).await?;
        let own_before = self.remember_own(partition, groups.own);
        if is_ahead(groups.own, now) {
            heeded_from = heeded_from.max(own_before);
        }
        let needed = groups.oldest_needed(heeded_from);
        let Some(before) = self.remember(partition, groups, needed, heeded_from) else {
            return Ok(());
        };
        let first = first_kept(needed, needed.min(before), now, self.limits.retention);
        let at_stake = groups.at_stake(&self.store, key, first).await?;
        if trim_stream(&self.store, key, first).await? > 0 {
            let lost = groups.lost(&self.store, key, at_stake).await?;
            self.warn(partition, key, &lost);
        }
        Ok(())
    }

    /// Remembers what the own group needs now. Answers what it needed `foreign_groups` ago.
    fn remember_own(&self, partition: Partition, own: EntryId) -> Option<EntryId> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = memories.entry(partition).or_default();
        let limit = self.limits.foreign_groups;
        memory.own.remember(Instant::now(), own, limit)
    }

    /// Remembers the oldest entry that is needed now. Answers the oldest entry that was needed at
    /// least `settled` ago. Forgets the warnings of groups that caught up.
    fn remember(
        &self,
        partition: Partition,
        groups: &Groups,
        needed: EntryId,
        heeded_from: Option<EntryId>,
    ) -> Option<EntryId> {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let Memory { looks, warned, .. } = memories.entry(partition).or_default();
        let half = self.limits.foreign_groups / 2;
        warned.retain(|name| groups.has_behind(name, half, heeded_from));
        looks.remember(Instant::now(), needed, self.settled)
    }

    /// Logs which groups lost entries. Each group is logged once until it has caught up with half
    /// of its limit.
    fn warn(&self, partition: Partition, key: &str, lost: &[Loss]) {
        let mut memories = self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let warned = &mut memories.entry(partition).or_default().warned;
        for loss in lost {
            if warned.insert(loss.group.clone()) {
                tracing::warn!(
                    stream = key,
                    group = loss.group,
                    behind = %humantime::format_duration(loss.behind),
                    lost_from = %loss.from,
                    kept_from = %loss.until,
                    "trimmed entries that a group has not acknowledged: the group is further \
                     behind than FOREIGN_GROUP_LIMIT, and goes on losing entries"
                );
            }
        }
    }
}

impl Looks {
    /// The entry that was needed at the last look at least `settled` ago. The looks before that one
    /// are forgotten.
    fn remember(&mut self, now: Instant, needed: EntryId, settled: Duration) -> Option<EntryId> {
        let is_settled = |at: Instant| now.saturating_duration_since(at) >= settled;
        while self.0.get(1).is_some_and(|(at, _)| is_settled(*at)) {
            self.0.pop_front();
        }
        let found = self
            .0
            .front()
            .filter(|(at, _)| is_settled(*at))
            .map(|(_, needed)| *needed);
        // The looks are spread over the whole time, so that none has to wait for its place.
        let spread = settled / MAX_LOOKS;
        let last = self.0.back().map(|(at, _)| *at);
        if last.is_none_or(|last| now.saturating_duration_since(last) >= spread) {
            self.0.push_back((now, needed));
        }
        found
    }
}

/// Whether the ids are ahead of the clock of the store. They stand still then, until the clock gets
/// there: each new id is the last one and a higher number after it.
fn is_ahead(id: EntryId, now: Timestamp) -> bool {
    id.ms > now.later_by(MAX_AHEAD).as_millis()
}

/// The first entry that is kept. The retention counts back from the oldest entry that is needed,
/// and not from now. So a reader that is behind keeps the past that it may have to replay.
fn first_kept(needed: EntryId, settled: EntryId, now: Timestamp, retention: Duration) -> EntryId {
    if is_ahead(needed, now) && retention <= REPLAY_WINDOW {
        // The clock was set back, so new entries get ids of a future time. Only the time since
        // their acknowledgement tells how old they are.
        return settled;
    }
    let retention_ms = u64::try_from(retention.as_millis()).unwrap_or(u64::MAX);
    let ms = needed.ms.min(now.as_millis()).saturating_sub(retention_ms);
    EntryId::first_of(ms).min(settled)
}

/// Removes the entries before `first`. Answers how many there were.
async fn trim_stream(store: &Store, key: &str, first: EntryId) -> Result<u64, RedisError> {
    let mut removed = 0_u64;
    for _ in 0..MAX_CALLS {
        let trim = Command::new("XTRIM").key(key).arg("MINID").arg("~");
        match store.run(trim.arg(first.to_string())).await?.unsigned()? {
            0 => break,
            count => removed = count.saturating_add(removed),
        }
    }
    if removed > 0 {
        tracing::info!(stream = key, removed, "trimmed old entries");
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, sequence: 7 }
    }

    #[test]
    fn only_what_was_acknowledged_long_enough_ago_is_settled() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let mut look =
            |minutes: u32, ms| looks.remember(start + MINUTE * minutes, id(ms), MINUTE * 10);
        assert_eq!(look(0, 1), None);
        assert_eq!(look(5, 2), None);
        // A clock that jumped gives what is acknowledged a minute later an id of the next month.
        assert_eq!(look(9, 31 * DAY_MS), None);
        assert_eq!(look(10, 31 * DAY_MS), Some(id(1)));
        assert_eq!(look(14, 31 * DAY_MS), Some(id(1)));
        assert_eq!(look(15, 31 * DAY_MS), Some(id(2)));
        assert_eq!(look(60, 31 * DAY_MS), Some(id(31 * DAY_MS)));
    }

    #[test]
    fn looks_are_bounded() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        for second in 0..10_000 {
            let at = start + Duration::from_secs(second);
            looks.remember(at, id(second), MINUTE * 10);
            assert!(looks.0.len() <= MAX_LOOKS as usize + 2);
        }
    }

    #[test]
    fn a_clock_that_jumps_trims_nothing_that_is_not_settled_and_one_set_back_trims_what_is() {
        let now = Timestamp::from_millis(1_000 * DAY_MS);
        let ago = |ms| id(now.as_millis() - ms);
        let day = Duration::from_millis(DAY_MS);
        // All is well: the retention counts from what is needed.
        let first = EntryId::first_of(now.as_millis() - 60_000 - 600_000);
        assert_eq!(
            first_kept(ago(60_000), ago(90_000), now, REPLAY_WINDOW),
            first
        );
        // The clock is ahead: what was settled before it jumped is all that goes.
        let later = now.later_by(31 * day);
        let (jumped, settled) = (id(later.as_millis()), ago(60_000));
        assert_eq!(first_kept(jumped, settled, later, REPLAY_WINDOW), settled);
        // It is set back: ids go on from there, and the stream must not grow for a month.
        let settled = EntryId {
            ms: later.as_millis(),
            sequence: 3,
        };
        assert_eq!(first_kept(jumped, settled, now, REPLAY_WINDOW), settled);
        // A longer retention keeps more entries.
        let first = EntryId::first_of(now.as_millis() - DAY_MS);
        assert_eq!(first_kept(jumped, settled, now, day), first);
    }
}
