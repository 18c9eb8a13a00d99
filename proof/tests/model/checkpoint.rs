//! `shared::stream::checkpoint`: how far a store has acted on the stream of the other store, and
//! whether the two stores agree.

use crate::stream::{EntryId, State, Stream, Time};

/// How far a store has acted on the other store's stream. A crash takes the checkpoint back
/// together with the effects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Checkpoint {
    /// The last entry that was delivered.
    pub(crate) id: EntryId,
    /// The number of entries up to `id`.
    count: u32,
    /// The oldest entry that was pending then.
    open: EntryId,
    /// Two earlier entries. `earlier` is old enough to tell a lost tail from an old store, and
    /// `middle` will be.
    middle: EntryId,
    earlier: EntryId,
}

/// Whether a store and the stream of the other store agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They agree, or a replay makes them agree.
    Consistent,
    /// The stream has lost its last entries.
    TailLost,
    /// One of the two is much older than the other remembers. A person has to decide.
    Diverged,
}

impl Checkpoint {
    /// The checkpoint of a store that has acted on all entries up to `id` that are not pending.
    pub(crate) fn at(state: &State, id: EntryId) -> Self {
        let open = state.oldest_pending.unwrap_or(id).min(id);
        Self {
            id,
            count: state.read,
            open,
            ..Self::default()
        }
    }

    /// `move_checkpoint`, which only moves forward.
    pub(crate) fn advance(&mut self, to: Self, replay: Time) {
        let before = *self;
        if before.id >= to.id {
            return;
        }
        let is_older = |entry: EntryId| entry.time + replay <= to.id.time;
        let (middle, earlier) = if is_older(before.id) {
            (to.id, before.id)
        } else if is_older(before.middle) {
            (before.id, before.middle)
        } else {
            (before.middle, before.earlier)
        };
        *self = Self {
            middle,
            earlier,
            ..to
        };
    }

    /// Moves back to the end of a stream that has lost its last entries. Pending entries stay
    /// pending.
    pub(crate) fn take_back(&mut self, state: &State) {
        let to = Self::at(state, state.delivered);
        let (open, earlier) = (self.open.min(to.open), self.earlier.min(to.id));
        *self = Self {
            open,
            middle: to.id,
            earlier,
            ..to
        };
    }

    /// The entry behind which a replay begins: `replay` before the oldest entry that was pending.
    pub(crate) fn replay_after(self, delivered: EntryId, replay: Time) -> EntryId {
        let oldest = self.id.min(self.open).min(delivered);
        let before = oldest.time.saturating_sub(replay).checked_sub(1);
        before.map_or(EntryId::default(), |time| EntryId {
            time,
            sequence: u32::MAX,
        })
    }

    /// Compares a stream with the checkpoint of the own store.
    pub(crate) fn compare(self, stream: &Stream, replay: Time) -> Agreement {
        let state = stream.state();
        if self.is_behind_what_is_gone(&state, replay) {
            return Agreement::Diverged;
        }
        if self.id <= state.delivered || state.added == 0 {
            return Agreement::Consistent;
        }
        let cannot_be_trimmed =
            |id| id <= state.last && state.first.is_some_and(|first| first <= id);
        let has_forgotten = |id| id > state.last || cannot_be_trimmed(id) && !stream.has(id);
        match (has_forgotten(self.earlier), has_forgotten(self.id)) {
            (true, _) => Agreement::Diverged,
            (false, true) => Agreement::TailLost,
            (false, false) => Agreement::Consistent,
        }
    }

    /// Whether the stream has lost entries that this store did not act on. They were acted on once,
    /// and trimmed, so no replay can bring them back.
    fn is_behind_what_is_gone(self, state: &State, replay: Time) -> bool {
        let is_far = state.delivered.time.saturating_sub(self.id.time) > replay;
        let begins_later = state.first.is_none_or(|first| first > self.id);
        let acted_on = state.read.saturating_sub(self.count) > state.pending;
        let gone = state.added.saturating_sub(state.length) > self.count;
        is_far && begins_later && acted_on && gone
    }
}
