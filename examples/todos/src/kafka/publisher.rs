//! Publishes messages, and waits until the broker has them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, OwnedMessage, ToBytes};
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{FutureProducer, FutureRecord};
use shared::contract::trace::RequestContext;
use shared::http::request::{TRACEPARENT, X_REQUEST_ID};

use super::{DEAD_TOPIC, Logged, TOPIC, client};
use crate::config::KafkaSettings;
use crate::domain::Change;
use crate::message::{self, MAX_BYTES, Poison};

/// Publishes messages. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    config: ClientConfig,
    producer: Arc<RwLock<Arc<FutureProducer<Logged>>>>,
}

/// Where the broker keeps a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The partition.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The message never left this process.
    #[error("the message was not sent: {0}")]
    NotSent(KafkaError),
    /// The broker did not confirm in time. It may have the message.
    #[error("the broker has not confirmed the message: {0}")]
    Unknown(KafkaError),
}

/// Most messages that wait for the broker.
const QUEUED_MESSAGES: &str = "10000";
/// Most KiB of messages that wait for the broker.
const QUEUED_KIB: &str = "32768";
/// The partition of a key is the same as with Kafka's own clients.
const PARTITIONER: &str = "murmur2_random";
/// A message that finds the queue full is refused at once.
const QUEUE_WAIT: Duration = Duration::ZERO;

impl Publisher {
    /// A publisher. Its client library connects in the background.
    pub fn new(settings: &KafkaSettings) -> anyhow::Result<Self> {
        let timeout = settings.publish_timeout.as_millis().to_string();
        let mut config = client(settings);
        config
            // A message counts as published when all replicas in sync have it. The broker
            // recognises a message that was sent twice, and keeps the order.
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("delivery.timeout.ms", &timeout)
            .set("request.timeout.ms", &timeout)
            .set("queue.buffering.max.messages", QUEUED_MESSAGES)
            .set("queue.buffering.max.kbytes", QUEUED_KIB)
            .set("linger.ms", "0")
            .set("partitioner", PARTITIONER);
        let producer = Arc::new(config.create_with_context(Logged)?);
        let producer = Arc::new(RwLock::new(producer));
        Ok(Self { config, producer })
    }

    /// Publishes a change. Answers when the broker has it.
    pub async fn publish(
        &self,
        change: &Change,
        context: &RequestContext,
    ) -> Result<Receipt, PublishError> {
        let (key, payload) = (change.id.to_string(), message::encode(change));
        let headers = add(
            OwnedHeaders::new(),
            [
                (TRACEPARENT.as_str(), context.traceparent.as_str()),
                (X_REQUEST_ID.as_str(), context.request_id.as_str()),
            ],
        );
        let record = FutureRecord::to(TOPIC).key(&key).payload(&payload);
        let receipt = self.send(record.headers(headers)).await?;
        let (Change { id, change_id, .. }, request_id) = (change, &context.request_id);
        let Receipt { partition, offset } = receipt;
        tracing::debug!(%request_id, %id, %change_id, partition, offset, "change published");
        Ok(receipt)
    }

    /// Publishes a message that cannot be applied to the topic of dead letters, with the reason and
    /// the place from where it came. Its own headers stay in front. A long message is cut.
    pub async fn park(
        &self,
        dead: &OwnedMessage,
        poison: &Poison,
    ) -> Result<Receipt, PublishError> {
        let (partition, offset) = (dead.partition().to_string(), dead.offset().to_string());
        let bytes = dead.payload().unwrap_or_default().len().to_string();
        let headers = add(
            kept_headers(dead),
            [
                ("reason", poison.reason),
                ("detail", &poison.detail),
                ("topic", dead.topic()),
                ("partition", &partition),
                ("offset", &offset),
                ("bytes", &bytes),
            ],
        );
        let mut record = FutureRecord::to(DEAD_TOPIC).headers(headers);
        (record.key, record.payload) = (dead.key().map(cut), dead.payload().map(cut));
        self.send(record).await
    }

    async fn send<K, P>(&self, record: FutureRecord<'_, K, P>) -> Result<Receipt, PublishError>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let producer = self.producer();
        match producer.send(record, QUEUE_WAIT).await {
            Ok(Delivery {
                partition, offset, ..
            }) => Ok(Receipt { partition, offset }),
            Err((error, _)) => {
                if is_final(&error) {
                    self.replace(producer, &error);
                }
                Err(error.into())
            }
        }
    }

    fn producer(&self) -> Arc<FutureProducer<Logged>> {
        let producer = self.producer.read();
        producer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another producer in place of one that the broker will always refuse.
    fn replace(&self, refused: Arc<FutureProducer<Logged>>, reason: &KafkaError) {
        let mut producer = self
            .producer
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&producer, &refused) {
            tracing::warn!(%reason, "the broker refuses this producer: beginning with another one");
            match self.config.create_with_context(Logged) {
                Ok(another) => *producer = Arc::new(another),
                Err(error) => tracing::error!(%error, "there is no other producer"),
            }
        }
        // The end of a producer waits for its threads.
        tokio::task::spawn_blocking(move || drop(refused));
    }
}

/// Whether the broker, or the client library, refuses everything that this producer sends from now
/// on. The broker may have forgotten the producer while they could not talk to each other.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Fenced
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
                | RDKafkaErrorCode::UnknownProducerId
                | RDKafkaErrorCode::OutOfOrderSequenceNumber
        )
    )
}

impl From<KafkaError> for PublishError {
    fn from(error: KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::QueueFull
                | RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition,
            ) => Self::NotSent(error),
            _ => Self::Unknown(error),
        }
    }
}

fn add<'a>(
    headers: OwnedHeaders,
    values: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> OwnedHeaders {
    let add = |headers: OwnedHeaders, (key, value)| {
        let value = Some(value);
        headers.insert(Header { key, value })
    };
    values.into_iter().fold(headers, add)
}

/// The headers of a message, or none if they are long: the broker refuses a message that is too
/// large, and a dead letter must not be refused.
fn kept_headers(dead: &OwnedMessage) -> OwnedHeaders {
    let Some(headers) = dead.headers() else {
        return OwnedHeaders::new();
    };
    let length = |header: Header<'_, &[u8]>| header.key.len() + header.value.map_or(0, <[u8]>::len);
    let bytes: usize = headers.iter().map(length).sum();
    if bytes > MAX_BYTES {
        return OwnedHeaders::new();
    }
    headers.clone()
}

fn cut(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(MAX_BYTES)]
}
