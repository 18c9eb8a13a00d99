//! Reads messages, and notices that the group has divided the partitions anew.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::message::{Message, OwnedMessage};
use shared::base::shutdown::Shutdown;
use tokio::time::{Instant, timeout_at};

use super::{Applier, RoundError};

/// Most messages that are read before they are applied.
pub(super) const MAX_BATCH: usize = 100;
/// Longest wait for the first message of a batch.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Longest wait for more messages. They are in memory already, or have not been read yet.
const MORE_WAIT: Duration = Duration::from_millis(1);

impl Applier {
    /// Reads the messages that are there.
    pub(super) async fn read(&mut self, stop: &Shutdown) -> Result<(), RoundError> {
        let Some(first) = self.first(stop).await? else {
            return Ok(());
        };
        let mut messages = vec![first];
        let deadline = Instant::now() + MORE_WAIT;
        while messages.len() < MAX_BATCH
            && let Ok(Ok(more)) = timeout_at(deadline, self.consumer.recv()).await
        {
            messages.push(more.detach());
        }
        for message in messages {
            self.unverified.remove(&message.partition());
            let of_partition = self.messages.entry(message.partition()).or_default();
            of_partition.push(message);
        }
        Ok(())
    }

    /// Waits for a message. `None` if no message comes, if the partitions have changed, or if the
    /// process stops.
    async fn first(&mut self, stop: &Shutdown) -> Result<Option<OwnedMessage>, RoundError> {
        let (deadline, mut failure) = (Instant::now() + FIRST_WAIT, None);
        loop {
            let received = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(None),
                () = self.consumer.context().changed() => {
                    self.is_lost = true;
                    return Ok(None);
                }
                received = timeout_at(deadline, self.consumer.recv()) => received,
            };
            match received {
                Ok(Ok(message)) => return Ok(Some(message.detach())),
                // The client library tries again by itself.
                Ok(Err(error)) => failure = Some(error),
                Err(_) => return failure.map_or(Ok(None), |error| Err(error.into())),
            }
        }
    }
}
