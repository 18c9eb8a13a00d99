//! How a worker acts on queued writes.

use shared::redis::RedisError;
use shared::stream::delivery::{Delivered, Handler, Parking, Settlement};

use crate::domain::{Applied, WriteQueued};
use crate::store::ItemStore;

/// Applies queued writes.
#[derive(Clone)]
pub struct WriteHandler {
    /// Where items are kept.
    pub store: ItemStore,
}

impl Handler for WriteHandler {
    type Event = WriteQueued;

    async fn handle(
        &self,
        writes: &[Delivered<'_, WriteQueued>],
    ) -> Result<Vec<Settlement>, RedisError> {
        let outcomes = self.store.apply_writes(writes).await?;
        Ok(writes
            .iter()
            .zip(outcomes)
            .map(|(write, outcome)| settlement(&write.event, outcome))
            .collect())
    }

    /// Tells the client, by the ticket, that the write failed.
    async fn parked(&self, write: &WriteQueued, parking: &Parking) -> Result<(), RedisError> {
        let reason = format!("{}: {}", parking.reason, parking.detail);
        self.store.fail_write(write, &reason).await.map(drop)
    }
}

fn settlement(write: &WriteQueued, outcome: Applied) -> Settlement {
    let (ticket_id, version) = (write.ticket_id, write.version);
    let trace_id = write.traceparent.trace_id();
    match outcome {
        Applied::Now => tracing::info!(%ticket_id, version, trace_id, "write applied"),
        Applied::Superseded => {
            tracing::info!(%ticket_id, version, trace_id, "write applied: a later write of the item stays");
        }
        Applied::Before => {
            tracing::debug!(%ticket_id, version, trace_id, "delivered again: the write had ended before");
        }
        Applied::Damaged => {
            return Settlement::Park(Parking {
                reason: "damaged",
                detail: "the store has something else under the key of the item or of the ticket"
                    .to_owned(),
            });
        }
    }
    Settlement::Done
}
