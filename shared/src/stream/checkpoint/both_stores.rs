//! What one look finds in both stores.

use super::{Agreement, Recorded};
use crate::stream::stream_state::StreamState;

/// Both stores, as one look found them.
pub(crate) struct BothStores {
    /// The checkpoint that the own store has recorded.
    pub(crate) recorded: Recorded,
    /// The stream.
    pub(crate) stream: StreamState,
    /// The identity of the partition.
    pub(crate) identity: Option<String>,
    /// The incarnation of the own store.
    pub(crate) incarnation: String,
    /// Whether the own store has forgotten nothing in this incarnation.
    pub(crate) was_replayed: bool,
    /// The marks that say that a replay is due.
    pub(crate) marks: Vec<String>,
    /// Whether the two stores agree.
    pub(crate) agreement: Agreement,
}

impl BothStores {
    /// Whether a replay is due: the own store may have forgotten effects, or Redis may have taken
    /// entries off the pending list before a consumer acted on them.
    pub(crate) fn is_replay_due(&self) -> bool {
        !self.marks.is_empty() || !self.was_replayed
    }
}
