//! Finds out that a topic was made anew before it has a message.
//!
//! A consumer begins with the message that was applied last. It reads that message, or a broker
//! tells that the offset is beyond the end of the log, and the client library goes to the
//! beginning. Some brokers tell nothing, and wait for that offset. Then no message arrives, and the
//! end of the log shows why.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Applier, RoundError};
use crate::domain::Position;
use crate::kafka::TOPIC;
use crate::store::Step;

/// How long the message that was applied last may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(3);
/// Longest wait for the broker to tell the end of a log.
const END_TIMEOUT: Duration = Duration::from_secs(2);

impl Applier {
    /// Looks at the partitions whose message has not arrived. If the log ends before the position,
    /// the log is another one, and is read from its beginning.
    pub(super) async fn verify(&mut self) -> Result<(), RoundError> {
        if self.is_lost || self.positioned_at.elapsed() < ARRIVAL {
            return Ok(());
        }
        while let Some(&partition) = self.unverified.first() {
            let end = self.end(partition).await?;
            if let Some(from) = self.positions.get(&partition)
                && end < from.next_offset
            {
                let to = &Position::default();
                let step = Step {
                    partition,
                    from,
                    to,
                };
                self.store.apply(step, &[]).await?;
                tracing::warn!(
                    partition,
                    "the topic was made anew: reading it from its beginning"
                );
                self.is_lost = true;
            }
            self.unverified.remove(&partition);
        }
        Ok(())
    }

    /// The offset behind the last message of a partition.
    async fn end(&self, partition: i32) -> Result<i64, RoundError> {
        let consumer = Arc::clone(&self.consumer);
        let ask = move || consumer.fetch_watermarks(TOPIC, partition, END_TIMEOUT);
        let ends = tokio::task::spawn_blocking(ask).await;
        // The task only fails if it panicked.
        let no_answer = |_| KafkaError::MetadataFetch(RDKafkaErrorCode::Fail);
        let (_, end) = ends.map_err(no_answer)??;
        Ok(end)
    }
}
