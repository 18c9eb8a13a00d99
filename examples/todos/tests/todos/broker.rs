//! The broker, as other programs use it: messages that `todos` never writes, dead letters, and the
//! offsets of the group.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use stack::wait::eventually;
use todos::domain::{Action, Change, Todo, TodoId};
use todos::kafka::{DEAD_TOPIC, GROUP, TOPIC};
use todos::message::encode;

use crate::system::{PARTITIONS, System};

/// A message that was parked.
#[derive(Debug)]
pub(crate) struct DeadLetter {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The request id of messages that a test writes.
pub(crate) const REQUEST_ID: &str = "request-of-a-test";
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
        (record.key, record.payload) = (key, payload);
        let header = Header {
            key: "x-request-id",
            value: Some(REQUEST_ID),
        };
        let record = record.headers(OwnedHeaders::new().insert(header));
        producer.send(record, LIMIT).await.unwrap().offset
    }

    /// Writes messages that create todos to one partition. Answers the ids of the todos.
    pub(crate) async fn produce_todos(&self, partition: i32, count: usize) -> Vec<TodoId> {
        let producer: FutureProducer = client(self).set("acks", "all").create().unwrap();
        let messages = (0..count).map(|number| {
            let id = TodoId::mint();
            let todo = Todo {
                id,
                title: format!("todo {number}").parse().unwrap(),
                description: None,
                completed: false,
            };
            (id, encode(&Change::of(id, Action::Create(todo))))
        });
        let messages: Vec<_> = messages.collect();
        let sent = messages.iter().map(async |(id, payload)| {
            let key = id.to_string();
            let record = FutureRecord::to(TOPIC).partition(partition);
            let record = record.key(&key).payload(payload);
            producer.send(record, LIMIT).await.unwrap();
            *id
        });
        join_all(sent).await
    }

    /// The number of messages in the topic of dead letters.
    pub(crate) fn count_dead_letters(&self) -> usize {
        let reader: BaseConsumer = client(self).create().unwrap();
        let count = |partition| {
            let ends = reader.fetch_watermarks(DEAD_TOPIC, partition, LIMIT);
            let (first, end) = ends.unwrap();
            usize::try_from(end - first).unwrap()
        };
        tokio::task::block_in_place(|| (0..PARTITIONS).map(count).sum())
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
        assert_eq!(self.count_dead_letters(), count);
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
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
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
