//! The groups of a stream: which entries each of them needs, and how far a foreign group is heeded.
//!
//! A foreign group belongs to another service than the event names. It is heeded until it is too
//! far behind the own group. How far that is, the ids of the stream tell. No clock is asked, and
//! nothing is remembered, so a restart of this process changes nothing. Only while the ids stand
//! still, the trimmer tells it.
//!
//! A jump of the store's clock makes ids jump. So the distance is walked in steps from entry to
//! entry, and a jump counts as one step, however far it went. A time without any entry counts as
//! one step for the same reason.

use std::time::Duration;

use crate::contract::entry_id::EntryId;
use crate::redis::{Code, Command, Entry, RedisError, Reply};
use crate::store::Store;

/// The groups of one stream.
#[derive(Debug)]
pub(super) struct Groups {
    /// The oldest entry that the own group needs.
    pub(super) own: EntryId,
    foreign: Vec<Group>,
}

/// A group.
#[derive(Debug)]
struct Group {
    name: String,
    /// The last entry that was delivered.
    delivered: EntryId,
    /// The oldest entry of the stream that was delivered and not acknowledged. An entry that was
    /// trimmed does not count, although the group goes on naming it.
    pending: Option<EntryId>,
}

/// A group, and the oldest entry that it has not acknowledged.
#[derive(Debug)]
pub(super) struct Need {
    group: String,
    oldest: EntryId,
}

/// The entries that a group had not acknowledged when they were trimmed.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) group: String,
    /// How far the group was behind the own group, by the ids of the stream.
    pub(super) behind: Duration,
    /// The first entry that the group lost.
    pub(super) from: EntryId,
    /// The first entry that the stream still has.
    pub(super) until: EntryId,
}

/// The steps in which the limit of foreign groups is walked. With few steps, a shop that is closed
/// at night is counted right: a step is longer than a night. With many steps, a jump of the clock
/// takes less of the time that a group is heeded.
const STEPS: u32 = 8;

impl Groups {
    /// Reads the groups of a stream. `None` if the stream or the own group does not exist, or if a
    /// group made progress meanwhile: the next trim will see what is needed.
    pub(super) async fn read(
        store: &Store,
        key: &str,
        own_name: &str,
    ) -> Result<Option<Self>, RedisError> {
        let infos = Command::new("XINFO").arg("GROUPS").key(key);
        let infos = match store.run(infos).await {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(None),
            infos => infos?.list()?,
        };
        let head = head(store, key).await?.unwrap_or_default();
        let (mut own, mut foreign) = (None, Vec::new());
        for info in infos {
            let Some(mut group) = Group::read(store, key, info).await? else {
                return Ok(None);
            };
            if group.pending.is_some_and(|pending| pending < head) {
                group.pending = pending_from(store, key, &group.name, head).await?;
            }
            if group.name == own_name {
                own = Some(group.needed());
            } else {
                foreign.push(group);
            }
        }
        Ok(own.map(|own| Self { own, foreign }))
    }

    /// The entry from which on foreign groups are heeded. `None` if each of them is heeded in full.
    pub(super) async fn heeded_from(
        &self,
        store: &Store,
        key: &str,
        limit: Duration,
    ) -> Result<Option<EntryId>, RedisError> {
        let limit_ms = as_ms(limit);
        if !self
            .foreign
            .iter()
            .any(|group| self.is_behind(group, limit))
        {
            return Ok(None);
        }
        let mut at = self.own;
        for _ in 0..STEPS {
            let ms = at.ms.saturating_sub(limit_ms / u64::from(STEPS));
            let newest = Command::new("XREVRANGE").key(key).arg(ms.to_string());
            match first_of(store, newest.arg("-")).await? {
                Some(older) => at = older,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Whether the group of this name is further behind the own group than `limit`, or needs an
    /// entry before `floor`.
    pub(super) fn has_behind(&self, name: &str, limit: Duration, floor: Option<EntryId>) -> bool {
        let needs = |group: &Group| Some(group.needed()) < floor || self.is_behind(group, limit);
        let mut foreign = self.foreign.iter();
        foreign.any(|group| group.name == name && needs(group))
    }

    fn is_behind(&self, group: &Group, limit: Duration) -> bool {
        group.needed().ms < self.own.ms.saturating_sub(as_ms(limit))
    }

    /// The oldest entry that some group needs. The own group is always heeded.
    pub(super) fn oldest_needed(&self, heeded_from: Option<EntryId>) -> EntryId {
        let floor = heeded_from.unwrap_or_default();
        let foreign = self.foreign.iter().map(|group| group.needed().max(floor));
        foreign.fold(self.own, EntryId::min)
    }

    /// The foreign groups that need an entry before `first`.
    pub(super) async fn at_stake(
        &self,
        store: &Store,
        key: &str,
        first: EntryId,
    ) -> Result<Vec<Need>, RedisError> {
        let mut needs = Vec::new();
        for group in self.foreign.iter().filter(|group| group.needed() < first) {
            let oldest = group.unacknowledged(store, key).await?;
            if let Some(oldest) = oldest.filter(|oldest| *oldest < first) {
                let group = group.name.clone();
                needs.push(Need { group, oldest });
            }
        }
        Ok(needs)
    }

    /// What the groups at stake lost in a trim that is done. A trim spares some old entries, so
    /// they may have lost nothing yet.
    pub(super) async fn lost(
        &self,
        store: &Store,
        key: &str,
        at_stake: Vec<Need>,
    ) -> Result<Vec<Loss>, RedisError> {
        if at_stake.is_empty() {
            return Ok(Vec::new());
        }
        let until = head(store, key).await?.unwrap_or(self.own);
        let lost = at_stake.into_iter().filter(|need| need.oldest < until);
        Ok(lost
            .map(|Need { group, oldest }| Loss {
                group,
                behind: Duration::from_secs(self.own.ms.saturating_sub(oldest.ms) / 1_000),
                from: oldest,
                until,
            })
            .collect())
    }
}

impl Group {
    /// Reads one group. `None` if its last pending entry was acknowledged meanwhile.
    async fn read(store: &Store, key: &str, info: Reply) -> Result<Option<Self>, RedisError> {
        let name = info.clone().field("name")?.text()?;
        let delivered = parse_id(&info.clone().field("last-delivered-id")?.text()?);
        let mut pending = None;
        if info.field("pending")?.unsigned()? > 0 {
            let summary = Command::new("XPENDING").key(key).arg(name.as_str());
            let [_, oldest, _, _] = store
                .run(summary)
                .await?
                .exactly("a summary of what is pending")?;
            if oldest.is_null() {
                return Ok(None);
            }
            pending = Some(parse_id(&oldest.text()?));
        }
        Ok(Some(Self {
            name,
            delivered,
            pending,
        }))
    }

    /// The oldest pending entry. Without a pending entry, the last one that was delivered.
    fn needed(&self) -> EntryId {
        self.pending.unwrap_or(self.delivered)
    }

    /// The oldest entry of the stream that the group has not acknowledged.
    async fn unacknowledged(
        &self,
        store: &Store,
        key: &str,
    ) -> Result<Option<EntryId>, RedisError> {
        let unread = Command::new("XRANGE").key(key);
        let unread = unread.arg(format!("({}", self.delivered)).arg("+");
        let unread = first_of(store, unread).await?;
        Ok(unread.into_iter().chain(self.pending).min())
    }
}

/// The oldest pending entry of a group that is not before `from`.
async fn pending_from(
    store: &Store,
    key: &str,
    group: &str,
    from: EntryId,
) -> Result<Option<EntryId>, RedisError> {
    let pending = Command::new("XPENDING").key(key).arg(group);
    let pending = pending.arg(from.to_string()).arg("+").arg(1);
    let Some(entry) = store.run(pending).await?.list()?.into_iter().next() else {
        return Ok(None);
    };
    let [id, _, _, _] = entry.exactly("a pending entry")?;
    Ok(Some(parse_id(&id.text()?)))
}

/// The first entry of a stream.
async fn head(store: &Store, key: &str) -> Result<Option<EntryId>, RedisError> {
    first_of(store, Command::new("XRANGE").key(key).arg("-").arg("+")).await
}

/// The id of the first entry that `range` finds.
async fn first_of(store: &Store, range: Command) -> Result<Option<EntryId>, RedisError> {
    let found = store.run(range.arg("COUNT").arg(1)).await?.entries()?;
    let first = found.into_iter().next();
    Ok(first.map(|Entry { id, .. }| parse_id(&id)))
}

/// A malformed id counts as 0-0, and keeps everything.
fn parse_id(id: &str) -> EntryId {
    id.parse().unwrap_or_default()
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn id(ms: u64) -> EntryId {
        EntryId { ms, sequence: 7 }
    }

    fn groups(own: u64, foreign: &[(u64, Option<u64>)]) -> Groups {
        let group = |(number, (delivered, pending)): (usize, &(u64, Option<u64>))| Group {
            name: number.to_string(),
            delivered: id(*delivered),
            pending: pending.map(id),
        };
        Groups {
            own: id(own),
            foreign: foreign.iter().enumerate().map(group).collect(),
        }
    }

    #[test]
    fn the_own_group_is_always_heeded_and_a_foreign_one_from_its_limit_on() {
        let slow = groups(90, &[(100, Some(20)), (95, None)]);
        assert_eq!(slow.oldest_needed(None), id(20));
        assert_eq!(slow.oldest_needed(Some(id(60))), id(60));
        assert_eq!(slow.oldest_needed(Some(id(94))), id(90));
        assert_eq!(groups(90, &[]).oldest_needed(Some(id(94))), id(90));
    }

    #[test]
    fn a_group_is_behind_by_what_it_has_not_acknowledged() {
        let found = groups(50_000, &[(49_000, Some(39_999)), (40_000, None)]);
        let behind = |floor| ["0", "1", "2"].map(|name| found.has_behind(name, LIMIT, floor));
        assert_eq!(behind(None), [true, false, false]);
        assert_eq!(behind(Some(id(40_001))), [true, true, false]);
    }
}
