//! The broker, as other programs use it: messages that `todos` never writes, dead letters, and the
//! offsets of the group.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use stack::wait::eventually;
use todos::kafka::{DEAD_TOPIC, GROUP, TOPIC};

use crate::system::{PARTITIONS, System};

/// A message that was parked.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) key: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

const LIMIT: Duration = Duration::from_secs(20);
/// A short wait of the client library. The caller asks again.
const POLL: Duration = Duration::from_millis(100);

impl System {
    /// Writes a message to a partition. Answers its offset.
    pub(crate) async fn produce(
        &self,
        partition: i32,
        key: Option<&[u8]>,
        payload: Option<&[u8]>,
    ) -> i64 {
        let producer: FutureProducer = client(self).set("acks", "all").create().unwrap();
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(TOPIC).partition(partition);
        record.key = key;
        record.payload = payload;
        producer.send(record, LIMIT).await.unwrap().offset
    }

    /// Waits for this number of dead letters. There must not be more.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<DeadLetter> {
        let consumer: BaseConsumer = client(self)
            .set("group.id", "reader-of-dead-letters")
            .set("auto.offset.reset", "earliest")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let added = list.add_partition_offset(DEAD_TOPIC, partition, Offset::Beginning);
            added.unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut found = Vec::new();
        eventually("the dead letters", async || {
            while let Some(Ok(message)) = tokio::task::block_in_place(|| consumer.poll(POLL)) {
                found.push(DeadLetter::of(&message));
            }
            found.len() >= count
        })
        .await;
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }

    /// The offset that the group has committed for a partition.
    pub(crate) fn committed(&self, partition: i32) -> Option<i64> {
        let consumer: BaseConsumer = client(self).set("group.id", GROUP).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(TOPIC, partition);
        let committed = tokio::task::block_in_place(|| consumer.committed_offsets(list, LIMIT));
        committed.unwrap().elements()[0].offset().to_raw()
    }
}

impl DeadLetter {
    fn of(message: &impl Message) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        Self {
            key: message.key().unwrap_or_default().to_vec(),
            payload: message.payload().unwrap_or_default().to_vec(),
            headers: headers
                .map(|header| (header.key.to_owned(), text(header.value)))
                .collect(),
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        &self.headers[name]
    }
}

fn client(system: &System) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", system.broker.brokers());
    config
}
