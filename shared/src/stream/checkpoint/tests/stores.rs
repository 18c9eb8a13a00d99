//! A model of a stream and of the store of its readers, as Redis keeps them.

use std::collections::BTreeSet;

use super::super::*;

/// The stream, and the group that reads it.
#[derive(Clone, Default)]
pub(super) struct Stream {
    pub(super) entries: BTreeSet<EntryId>,
    pub(super) added: u64,
    pub(super) last: EntryId,
    pub(super) delivered: EntryId,
    pub(super) read: Option<u64>,
    pub(super) pending: BTreeSet<EntryId>,
    pub(super) removed: EntryId,
}

/// The own store of the readers.
#[derive(Clone, Default)]
pub(super) struct Own {
    pub(super) recorded: Recorded,
    pub(super) middle: EntryId,
    pub(super) acted: BTreeSet<EntryId>,
    pub(super) incarnation_done: u64,
}

impl Stream {
    /// The state that the stream reports.
    pub(super) fn state(&self) -> StreamState {
        StreamState {
            length: self.entries.len() as u64,
            added: self.added,
            first: self.entries.first().copied(),
            last: self.last,
            delivered: self.delivered,
            read: self.read,
            pending: self.pending.len() as u64,
            oldest_pending: self.pending.first().copied(),
            removed: self.removed,
        }
    }
}

impl Own {
    /// Does the same as the function of that name.
    pub(super) fn move_checkpoint(&mut self, known: EntryId, to: Recorded) -> bool {
        let (at, distance) = (self.recorded.id, as_ms(REPLAY_WINDOW));
        if at < known {
            return false;
        }
        if at < to.id {
            let mut earlier = self.recorded.earlier;
            if at.ms + distance <= to.id.ms {
                (self.middle, earlier) = (to.id, at);
            } else if self.middle.ms + distance <= to.id.ms {
                (self.middle, earlier) = (at, self.middle);
            }
            self.recorded = Recorded { earlier, ..to };
        }
        true
    }
}
