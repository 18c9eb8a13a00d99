//! The broker: its topics, and how messages get there. `worker` reads them.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use shared::base::backoff::Backoff;
use shared::base::shutdown::{Shutdown, sleep_unless};

mod publisher;

pub use publisher::{PublishError, Publisher, Receipt};

use crate::config::KafkaSettings;

/// Writes the lines of the client library into the log of the process.
pub(crate) struct Logged;

/// The topic of all changes. The key of a message is the id of its todo.
pub const TOPIC: &str = "todos2";
/// The topic of messages that cannot be applied.
pub const DEAD_TOPIC: &str = "todos2.dead";
/// The consumer group that applies the messages.
pub const GROUP: &str = "my-group";

/// Longest wait for the broker to create the topics.
const CREATE_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait between two attempts to create the topics.
const CREATE_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(5),
};
/// From this number of replicas on, two of them must have a message before it counts as published.
const SAFE_REPLICAS: i32 = 3;

/// Creates the topics that are missing. Tries again until the broker has both. Returns `Ok` as well
/// when the process stops. A topic that exists stays as it is, and then the process needs no right
/// to create it.
pub async fn create_topics(settings: &KafkaSettings, shutdown: &Shutdown) -> anyhow::Result<()> {
    let admin: AdminClient<Logged> = client(settings).create_with_context(Logged)?;
    let admin = Arc::new(admin);
    let (mut failures, mut last) = (0, String::new());
    while let Err(reason) = try_create(&admin, settings).await {
        if both_exist(&admin).await {
            break;
        }
        let reason = reason.to_string();
        if reason != last {
            tracing::warn!("not ready: the broker has not created the topics: {reason}");
        }
        last = reason;
        failures += 1;
        if !sleep_unless(shutdown, CREATE_BACKOFF.wait(failures)).await {
            break;
        }
    }
    Ok(())
}

/// Whether the broker has both topics. `false` if it does not answer.
async fn both_exist(admin: &Arc<AdminClient<Logged>>) -> bool {
    let admin = Arc::clone(admin);
    let ask = move || admin.inner().fetch_metadata(None, CREATE_TIMEOUT);
    let Ok(Ok(found)) = tokio::task::spawn_blocking(ask).await else {
        return false;
    };
    let has = |name| {
        let mut topics = found.topics().iter();
        topics.any(|topic| topic.name() == name && topic.error().is_none())
    };
    has(TOPIC) && has(DEAD_TOPIC)
}

/// What every client of the broker has.
pub(crate) fn client(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.as_str())
        .set("client.id", "todos")
        // After a restart of the broker, a client is back within a second.
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "1000");
    config
}

async fn try_create(
    admin: &AdminClient<Logged>,
    settings: &KafkaSettings,
) -> Result<(), KafkaError> {
    let topics = [TOPIC, DEAD_TOPIC].map(|name| {
        let replicas = TopicReplication::Fixed(settings.replicas);
        let topic = NewTopic::new(name, settings.partitions, replicas);
        if settings.replicas < SAFE_REPLICAS {
            topic
        } else {
            topic.set("min.insync.replicas", "2")
        }
    });
    let options = AdminOptions::new()
        .request_timeout(Some(CREATE_TIMEOUT))
        .operation_timeout(Some(CREATE_TIMEOUT));
    for created in admin.create_topics(&topics, &options).await? {
        match created {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(())
}

impl ClientContext for Logged {
    /// A line of the client library is not more than a warning: the process reports by itself what
    /// fails.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(target: "kafka", facility, message);
            }
            _ => tracing::debug!(target: "kafka", facility, message),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The client library tells this once, until a broker was reached again.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            tracing::warn!(target: "kafka", reason, "no broker can be reached; trying again");
        } else {
            tracing::debug!(target: "kafka", %error, reason, "the client of the broker reports an error");
        }
    }
}
