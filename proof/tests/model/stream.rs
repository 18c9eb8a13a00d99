//! A Redis stream with its one consumer group, as far as the protocol uses it.

/// Time on the clock of a store, in ticks.
pub(crate) type Time = u32;
/// An order, by its number. No number is used twice.
pub(crate) type OrderId = usize;
/// A product, by its place in the catalogue.
pub(crate) type ProductId = usize;

/// `milliseconds-sequence`. A store that lost its tail may give the same id to another event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryId {
    pub(crate) time: Time,
    pub(crate) sequence: u32,
}

/// The content of either event: an order and its product. Each order is for one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Event {
    pub(crate) order: OrderId,
    pub(crate) product: ProductId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) id: EntryId,
    /// `None` if the entry was trimmed while it was pending.
    pub(crate) event: Option<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pending {
    pub(crate) id: EntryId,
    pub(crate) consumer: usize,
    pub(crate) since: Time,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Group {
    pub(crate) last_delivered: EntryId,
    pub(crate) pending: Vec<Pending>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    entries: Vec<Entry>,
    last: EntryId,
    added: u32,
    pub(crate) group: Option<Group>,
}

/// `XINFO STREAM`: the state of a stream and its group at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) length: u32,
    /// The number of entries that were ever added.
    pub(crate) added: u32,
    pub(crate) first: Option<EntryId>,
    /// `last-generated-id`.
    pub(crate) last: EntryId,
    pub(crate) delivered: EntryId,
    /// The number of entries up to the last one that was delivered.
    pub(crate) read: u32,
    pub(crate) pending: u32,
    pub(crate) oldest_pending: Option<EntryId>,
}

impl Stream {
    /// `XADD *`: ids grow even if the clock goes back.
    pub(crate) fn add(&mut self, now: Time, event: Event) {
        self.last = if now > self.last.time {
            EntryId {
                time: now,
                sequence: 0,
            }
        } else {
            EntryId {
                sequence: self.last.sequence + 1,
                ..self.last
            }
        };
        self.added += 1;
        self.entries.push(Entry {
            id: self.last,
            event: Some(event),
        });
    }

    /// `XGROUP CREATE 0`: at the beginning, so that earlier entries are delivered too.
    pub(crate) fn create_group(&mut self) {
        self.group.get_or_insert_default();
    }

    /// `XGROUP CREATE $`: earlier entries are never delivered.
    pub(crate) fn create_group_at_the_end(&mut self) {
        let last_delivered = self.last;
        self.group.get_or_insert(Group {
            last_delivered,
            pending: Vec::new(),
        });
    }

    /// `XREADGROUP >`. Without a group it answers nothing, like `NOGROUP`.
    pub(crate) fn read_new(&mut self, consumer: usize, now: Time) -> Option<Entry> {
        let group = self.group.as_mut()?;
        let next = *self
            .entries
            .iter()
            .find(|entry| entry.id > group.last_delivered)?;
        group.last_delivered = next.id;
        group.pending.push(Pending {
            id: next.id,
            consumer,
            since: now,
        });
        Some(next)
    }

    /// `XREADGROUP 0`: the oldest pending entry of this consumer.
    pub(crate) fn read_own_pending(&self, consumer: usize) -> Option<Entry> {
        let pending = &self.group.as_ref()?.pending;
        let own = pending
            .iter()
            .filter(|pending| pending.consumer == consumer);
        own.map(|pending| pending.id).min().map(|id| self.entry(id))
    }

    /// `XAUTOCLAIM`: takes over an entry that any consumer, this one too, has held for at least
    /// `idle`. Redis removes trimmed entries from the pending list and names them in its answer.
    pub(crate) fn claim(&mut self, consumer: usize, now: Time, idle: Time) -> Option<Entry> {
        let pending = &mut self.group.as_mut()?.pending;
        let found = pending
            .iter()
            .position(|pending| pending.since.saturating_add(idle) <= now)?;
        let id = pending[found].id;
        let entry = self.entry(id);
        let pending = &mut self.group.as_mut()?.pending;
        if entry.event.is_some() {
            pending[found] = Pending {
                id,
                consumer,
                since: now,
            };
        } else {
            pending.remove(found);
        }
        Some(entry)
    }

    /// `XACK`.
    pub(crate) fn acknowledge(&mut self, id: EntryId) {
        if let Some(group) = &mut self.group {
            group.pending.retain(|pending| pending.id != id);
        }
    }

    /// `XRANGE (after last COUNT 1`.
    pub(crate) fn next_in(&self, after: EntryId, last: EntryId) -> Option<Entry> {
        self.entries
            .iter()
            .find(|entry| entry.id > after && entry.id <= last)
            .copied()
    }

    /// The time of the oldest entry that the group still needs; `None` without a group.
    pub(crate) fn needed(&self, now: Time) -> Option<Time> {
        let group = self.group.as_ref()?;
        let oldest = group.pending.iter().map(|pending| pending.id).min();
        Some(oldest.unwrap_or(group.last_delivered).time.min(now))
    }

    /// `XTRIM MINID`.
    pub(crate) fn trim(&mut self, oldest: Time) -> bool {
        let oldest_kept = EntryId {
            time: oldest,
            sequence: 0,
        };
        let before = self.entries.len();
        self.entries.retain(|entry| entry.id >= oldest_kept);
        before > self.entries.len()
    }

    /// Removes the oldest entries, read or not, as `MAXLEN` or an operator does.
    pub(crate) fn cut_to(&mut self, length: usize) -> bool {
        let surplus = self.entries.len().saturating_sub(length);
        self.entries.drain(..surplus);
        surplus > 0
    }

    pub(crate) fn state(&self) -> State {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let delivered = self.last_delivered();
        let new = self
            .entries
            .iter()
            .filter(|entry| entry.id > delivered)
            .count();
        let pending = self.group.iter().flat_map(|group| &group.pending);
        State {
            length: count(self.entries.len()),
            added: self.added,
            first: self.entries.first().map(|entry| entry.id),
            last: self.last,
            delivered,
            read: self.added - count(new),
            pending: count(pending.clone().count()),
            oldest_pending: pending.map(|pending| pending.id).min(),
        }
    }

    pub(crate) fn has(&self, id: EntryId) -> bool {
        self.entries.iter().any(|entry| entry.id == id)
    }

    pub(crate) fn last_delivered(&self) -> EntryId {
        self.group
            .as_ref()
            .map_or(EntryId::default(), |group| group.last_delivered)
    }

    pub(crate) fn has_new(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.id > self.last_delivered())
    }

    /// Whether every entry was delivered and acknowledged.
    pub(crate) fn is_drained(&self) -> bool {
        let nothing_pending = self
            .group
            .as_ref()
            .is_some_and(|group| group.pending.is_empty());
        nothing_pending && !self.has_new()
    }

    pub(crate) fn tells_of(&self, order: OrderId) -> bool {
        let mut events = self.entries.iter().filter_map(|entry| entry.event);
        events.any(|event| event.order == order)
    }

    fn entry(&self, id: EntryId) -> Entry {
        let removed = Entry { id, event: None };
        self.entries
            .iter()
            .find(|entry| entry.id == id)
            .copied()
            .unwrap_or(removed)
    }
}
