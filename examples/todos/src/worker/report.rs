//! Writes into the log what messages did.

use crate::domain::{Change, Effect};

/// One line for each message.
pub(super) fn effects(changes: &[&Change], effects: &[Effect]) {
    for (Change { id, change_id, .. }, effect) in changes.iter().zip(effects) {
        match effect {
            Effect::Created => tracing::info!(%id, %change_id, "todo created"),
            Effect::Updated => tracing::info!(%id, %change_id, "todo changed"),
            Effect::Deleted => tracing::info!(%id, %change_id, "todo deleted"),
            Effect::IdTaken => tracing::info!(%id, %change_id, "not created: the id is taken"),
            Effect::Missing => {
                tracing::info!(%id, %change_id, "nothing changed: there is no such todo");
            }
        }
    }
}
