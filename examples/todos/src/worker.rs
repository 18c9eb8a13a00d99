//! Applies the messages of the topic to the database.
//!
//! The database decides what was applied: the position of a partition moves in the transaction that
//! applies its messages. A consumer reads on from there, and not from the offset that Kafka has for
//! the group. So a crash between the two commits changes nothing. Neither does a consumer that has
//! lost its partition, or an offset that is gone. The offset in Kafka is committed last, for people
//! and programs that watch the lag of the group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use postgres::StoreError;
use rdkafka::consumer::stream_consumer::StreamConsumer;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use shared::base::backoff::Backoff;
use shared::base::health::Progress;
use shared::base::shutdown::{Shutdown, sleep_unless};
use tokio::time::Instant;

mod batch;
mod group;
mod read;
mod report;
mod verify;

use batch::Content;
use group::Group;

use crate::config::KafkaSettings;
use crate::domain::{Change, Position};
use crate::kafka::{PublishError, Publisher, TOPIC};
use crate::store::{Applied, Step, TodoStore};
use read::MAX_BATCH;

/// Applies the messages of the partitions that the group gives to this process.
pub(crate) struct Applier {
    store: TodoStore,
    publisher: Publisher,
    consumer: Arc<StreamConsumer<Group>>,
    /// How far each partition of this process was applied.
    positions: BTreeMap<i32, Position>,
    /// Partitions of which no message was read since their positions were.
    unverified: BTreeSet<i32>,
    /// When the positions were read.
    positioned_at: Instant,
    /// The first message behind a gap, in each partition in which messages were missing. If the
    /// same gap is there when the partition is read anew, the broker has removed the messages.
    gaps: BTreeMap<i32, i64>,
    /// The last message of each partition that was parked. The database may fail afterwards; then
    /// the message is not parked again.
    parked: BTreeMap<i32, i64>,
    /// Whether the group has divided the partitions. Until then the process is not ready, and
    /// neither while a partition is unverified.
    has_joined: bool,
    /// Whether the positions have to be read from the database.
    is_lost: bool,
    /// Messages that were read and not applied yet, by partition.
    messages: BTreeMap<i32, Vec<OwnedMessage>>,
    /// Most messages that are applied at once. A database that is slow has no time for more.
    limit: usize,
}

/// Why a round failed. The messages are kept, and the next round tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoundError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the broker has not taken a dead letter: {0}")]
    Publish(#[from] PublishError),
    #[error("the broker is not available: {0}")]
    Broker(#[from] KafkaError),
}

/// Wait after a round that failed.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(2),
};

impl Applier {
    /// An applier in the consumer group. It reads no message before [`Self::run`].
    pub(crate) fn new(settings: &KafkaSettings, store: TodoStore) -> anyhow::Result<Self> {
        Ok(Self {
            store,
            publisher: Publisher::new(settings)?,
            consumer: Arc::new(group::consumer(settings)?),
            positions: BTreeMap::new(),
            unverified: BTreeSet::new(),
            positioned_at: Instant::now(),
            gaps: BTreeMap::new(),
            parked: BTreeMap::new(),
            has_joined: false,
            is_lost: false,
            messages: BTreeMap::new(),
            limit: MAX_BATCH,
        })
    }

    /// Applies messages until the process stops. A failure ends nothing: the same messages are
    /// tried again, so none is skipped.
    pub(crate) async fn run(mut self, progress: Progress, stop: Shutdown) {
        let (mut failures, mut last) = (0, String::new());
        // The topic exists by now. A subscription to a missing topic would take seconds longer.
        if let Err(error) = self.consumer.subscribe(&[TOPIC]) {
            tracing::error!(%error, "the client library refuses the subscription");
            progress.halt(&error.to_string());
            return;
        }
        while !stop.is_cancelled() {
            match self.round(&stop).await {
                Ok(()) => {
                    if self.has_joined && self.unverified.is_empty() {
                        progress.mark();
                    }
                    (failures, last) = (0, String::new());
                }
                Err(error) => {
                    progress.failed(&error);
                    let reason = error.to_string();
                    if reason != last {
                        tracing::warn!(reason, "no message is applied; trying again");
                    }
                    last = reason;
                    failures += 1;
                    sleep_unless(&stop, BACKOFF.wait(failures)).await;
                }
            }
        }
        // Leaving the group takes a moment, in which the thread must not stand still.
        let left = tokio::task::spawn_blocking(move || drop(self));
        // If the task panicked, the group finds out by itself that this member is gone.
        let _ = left.await;
    }

    async fn round(&mut self, stop: &Shutdown) -> Result<(), RoundError> {
        if self.is_lost {
            self.find_positions().await?;
        }
        if self.messages.is_empty() {
            self.read(stop).await?;
        }
        self.settle_all().await?;
        // Last, because it asks the broker: messages that were read need only the database.
        self.verify().await
    }

    /// Applies the messages that were read. After a failure it tries half as many at once, and after
    /// a success twice as many.
    async fn settle_all(&mut self) -> Result<(), RoundError> {
        while let Some((partition, mut messages)) = self.messages.pop_first() {
            let rest = messages.split_off(self.limit.min(messages.len()));
            match self.settle(partition, &messages).await {
                Ok(true) => {
                    self.limit = MAX_BATCH.min(self.limit * 2);
                    if !rest.is_empty() {
                        self.messages.insert(partition, rest);
                    }
                }
                Ok(false) => {
                    self.is_lost = true;
                    self.messages.clear();
                }
                Err(error) => {
                    self.limit = (messages.len() / 2).max(1);
                    messages.extend(rest);
                    self.messages.insert(partition, messages);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reads the positions of the partitions that the group gave to this process, and goes there.
    async fn find_positions(&mut self) -> Result<(), RoundError> {
        self.messages.clear();
        self.parked.clear();
        self.unverified.clear();
        let partitions = self.consumer.context().partitions();
        let is_divided = partitions.is_some();
        let (mut positions, mut list) = (BTreeMap::new(), TopicPartitionList::new());
        for partition in partitions.unwrap_or_default() {
            let position = self.store.position(partition).await?;
            let start = position.start();
            if start.is_some() {
                self.unverified.insert(partition);
            }
            let start = start.map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(TOPIC, partition, start)?;
            positions.insert(partition, position);
        }
        // Partitions that were taken away were given up when the group said so.
        if is_divided {
            // An empty list as well: the client library takes part in no other division before this
            // answer.
            self.consumer.assign(&list)?;
            tracing::info!(partitions = ?positions.keys(), "the group has divided the partitions");
            self.has_joined = true;
        }
        self.positions = positions;
        self.positioned_at = Instant::now();
        self.is_lost = false;
        Ok(())
    }

    /// Parks and applies the messages of one partition, then commits. `false` if the position of
    /// the partition has to be found anew.
    async fn settle(
        &mut self,
        partition: i32,
        messages: &[OwnedMessage],
    ) -> Result<bool, RoundError> {
        let Some(from) = self.positions.get(&partition) else {
            // The group has taken the partition away.
            return Ok(true);
        };
        let known_gap = self.gaps.remove(&partition);
        let content = batch::read(from, messages, known_gap);
        let (to, changes) = match &content {
            Content::Nothing => return Ok(true),
            Content::Gap(offset) => {
                self.gaps.insert(partition, *offset);
                return Ok(false);
            }
            Content::OtherLog => (&Position::default(), &[][..]),
            Content::Messages {
                to, dead, changes, ..
            } => {
                // First, because nothing would name a dead letter once the position has moved. A
                // crash in between leaves a second dead letter with the same offset.
                for (message, poison) in dead {
                    let (offset, parked) = (message.offset(), self.parked.get(&partition));
                    if parked.is_none_or(|&parked| parked < offset) {
                        self.publisher.park(message, poison).await?;
                        report::parked(message, poison);
                        self.parked.insert(partition, offset);
                    }
                }
                (to, changes.as_slice())
            }
        };
        let step = Step {
            partition,
            from,
            to,
        };
        let of_messages: Vec<&Change> = changes.iter().map(|(_, change)| change).collect();
        let Applied::Done(effects) = self.store.apply(step, &of_messages).await? else {
            tracing::warn!(
                partition,
                "the position was moved by another consumer, or restored"
            );
            return Ok(false);
        };
        report::effects(changes, &effects);
        if matches!(content, Content::OtherLog) {
            tracing::warn!(
                partition,
                "the topic was made anew: reading it from its beginning"
            );
            return Ok(false);
        }
        self.commit(partition, to.next_offset);
        let to = to.clone();
        self.positions.insert(partition, to);
        Ok(!matches!(content, Content::Messages { is_cut: true, .. }))
    }

    /// Tells Kafka how far the group is. Nothing depends on it, so a failure is only logged.
    fn commit(&self, partition: i32, next_offset: i64) {
        let mut list = TopicPartitionList::new();
        let committed = list
            .add_partition_offset(TOPIC, partition, Offset::Offset(next_offset))
            .and_then(|()| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(partition, next_offset, %error, "the offset was not committed");
        }
    }
}
