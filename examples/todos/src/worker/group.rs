//! The consumer group: which partitions this process has.

use std::sync::{Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::stream_consumer::StreamConsumer;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use crate::config::KafkaSettings;
use crate::kafka::{self, GROUP, Logged, TOPIC};

/// The partitions that the group gave to this process. The client library tells of a change while
/// messages are read.
#[derive(Default)]
pub(super) struct Group {
    /// `None` until the group has divided them, and while it divides them anew.
    partitions: Mutex<Option<Vec<i32>>>,
    changed: Notify,
}

/// A member that is silent for this long has lost its partitions, in milliseconds. A broker allows no
/// shorter time by default.
const SESSION_TIMEOUT_MS: &str = "6000";
/// A member that has read nothing for this long has lost its partitions, in milliseconds. The others
/// wait for it for as long when they divide the partitions anew. It is not shorter than
/// `SESSION_TIMEOUT_MS`, and longer than a round takes that waits for a database.
const MAX_POLL_INTERVAL_MS: &str = "30000";
/// Pause between two signs of life, in milliseconds.
const HEARTBEAT_MS: &str = "1000";
/// Longest time for which a broker holds an answer back while it has no message, in milliseconds.
const FETCH_WAIT_MS: &str = "100";
/// Most KiB of messages in memory that were read ahead.
const READ_AHEAD_KIB: &str = "16384";

/// A member of the group, which is not subscribed yet.
pub(super) fn consumer(settings: &KafkaSettings) -> KafkaResult<StreamConsumer<Group>> {
    kafka::client(settings)
        .set("group.id", GROUP)
        .set("session.timeout.ms", SESSION_TIMEOUT_MS)
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
        .set("heartbeat.interval.ms", HEARTBEAT_MS)
        .set("fetch.wait.max.ms", FETCH_WAIT_MS)
        .set("fetch.error.backoff.ms", FETCH_WAIT_MS)
        .set("queued.max.messages.kbytes", READ_AHEAD_KIB)
        .set("partition.assignment.strategy", "roundrobin")
        // Offsets are committed by hand, after the database has the messages.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // An offset that the log does not have: the log is read from its beginning.
        .set("auto.offset.reset", "earliest")
        .create_with_context(Group::default())
}

impl Group {
    /// The partitions of this process, if the group has divided them. There may be none for it.
    pub(super) fn partitions(&self) -> Option<Vec<i32>> {
        let partitions = self.partitions.lock();
        partitions.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the partitions have changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn set(&self, partitions: Option<Vec<i32>>) {
        *self
            .partitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = partitions;
        self.changed.notify_one();
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Logged.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Logged.error(error, reason);
    }
}

impl ConsumerContext for Group {
    /// Gives partitions up at once. New partitions are only noted: the consumer goes to their
    /// positions, which the database has.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let elements = list.elements_for_topic(TOPIC);
            let partitions = elements.iter().map(TopicPartitionListElem::partition);
            self.set(Some(partitions.collect()));
            return;
        }
        if let Err(error) = consumer.unassign() {
            tracing::warn!(%error, "the partitions were not given up");
        }
        self.set(None);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "the offsets were not committed");
        }
    }
}
