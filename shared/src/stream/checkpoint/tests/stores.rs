//! A stream and the store of its readers, in a model of what Redis does.

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
    /// What the stream says about itself.
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
    /// What the function of that name does.
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
