//! The configuration of todos.

use std::str::FromStr;
use std::time::Duration;

use postgres::DatabaseUrl;
use shared::base::config::{Address, Configuration, Reader, Setting};
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

/// All settings of todos.
#[derive(Debug)]
pub struct Config {
    /// The settings of any service.
    pub common: ServiceSettings,
    /// Where `consume` answers probes. Read from `CONSUMER_HTTP_ADDR`.
    pub consumer_http_addr: Address,
    /// The database, and how long the start waits for it.
    pub database: DatabaseSettings,
    /// The broker and its topics.
    pub kafka: KafkaSettings,
}

/// The database, and how long the start waits for it.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// The database. Read from `DATABASE_URL`.
    pub url: DatabaseUrl,
    /// How often the start tries to open it. Read from `DATABASE_ATTEMPTS`.
    pub attempts: usize,
    /// The pause between two attempts. Read from `DATABASE_RETRY_DELAY`.
    pub retry_delay: Duration,
}

/// The broker and its topics.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// Addresses of brokers. Read from `KAFKA_BROKERS`.
    pub brokers: Brokers,
    /// Longest time until the broker has a message. Read from `PUBLISH_TIMEOUT`.
    pub publish_timeout: Duration,
    /// Partitions of a topic that does not exist yet. Read from `TOPIC_PARTITIONS`.
    pub partitions: i32,
    /// Replicas of a topic that does not exist yet. Read from `TOPIC_REPLICAS`.
    pub replicas: i32,
}

/// Addresses of Kafka brokers, `host:port` with commas in between.
#[derive(Clone, Debug)]
pub struct Brokers(String);

const DEFAULTS: Defaults = Defaults {
    service: "todos",
    commit: match option_env!("SOURCE_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    },
    http_addr: "127.0.0.1:8003",
};
const CONSUMER_HTTP_ADDR: Setting = Setting {
    name: "CONSUMER_HTTP_ADDR",
    default: "127.0.0.1:8006",
    help: "where consume answers probes, host:port",
};
const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "postgres://todos@127.0.0.1:5432/todos",
    help: "the database, postgres://user:password@host:port/name",
};
const DATABASE_ATTEMPTS: Setting = Setting {
    name: "DATABASE_ATTEMPTS",
    default: "5",
    help: "how often the start tries to open the database, 1 to 1000",
};
const MAX_ATTEMPTS: usize = 1_000;
const DATABASE_RETRY_DELAY: Setting = Setting {
    name: "DATABASE_RETRY_DELAY",
    default: "5s",
    help: "the pause between two of these attempts, 10ms to 60s",
};
const RETRY_DELAY_RANGE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(1));
const KAFKA_BROKERS: Setting = Setting {
    name: "KAFKA_BROKERS",
    default: "127.0.0.1:9092",
    help: "addresses of Kafka brokers, host:port with commas between",
};
const PUBLISH_TIMEOUT: Setting = Setting {
    name: "PUBLISH_TIMEOUT",
    default: "5s",
    help: "longest time until the broker has a message, 100ms to 6s; then the answer is 503",
};
/// A request has 10 s, and may ask the database before it publishes.
const PUBLISH_TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(6));
const TOPIC_PARTITIONS: Setting = Setting {
    name: "TOPIC_PARTITIONS",
    default: "3",
    help: "partitions of a topic that does not exist yet, 1 to 1000: the most consumers that share the work",
};
const MAX_PARTITIONS: usize = 1_000;
const TOPIC_REPLICAS: Setting = Setting {
    name: "TOPIC_REPLICAS",
    default: "1",
    help: "replicas of a topic that does not exist yet, 1 to 9; from 3 on, 2 replicas must have a message",
};
const MAX_REPLICAS: usize = 9;

impl Brokers {
    /// The addresses, as the client takes them.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Brokers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_address = |part: &str| {
            let parts = part.trim().rsplit_once(':');
            parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        if text.split(',').all(is_address) {
            Ok(Self(text.to_owned()))
        } else {
            Err("is not a list of addresses")
        }
    }
}

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        let common = ServiceSettings::read(reader, DEFAULTS);
        let consumer_http_addr = reader.read(CONSUMER_HTTP_ADDR);
        let database = DatabaseSettings::read(reader);
        let kafka = KafkaSettings::read(reader);
        Some(Self {
            common: common?,
            consumer_http_addr: consumer_http_addr?,
            database: database?,
            kafka: kafka?,
        })
    }
}

impl DatabaseSettings {
    fn read(reader: &mut Reader) -> Option<Self> {
        let url = reader.read(DATABASE_URL);
        let attempts = reader.number(DATABASE_ATTEMPTS, 1, MAX_ATTEMPTS);
        let (min, max) = RETRY_DELAY_RANGE;
        let retry_delay = reader.span(DATABASE_RETRY_DELAY, min, max);
        Some(Self {
            url: url?,
            attempts: attempts??,
            retry_delay: retry_delay?,
        })
    }
}

impl KafkaSettings {
    fn read(reader: &mut Reader) -> Option<Self> {
        let brokers = reader.read(KAFKA_BROKERS);
        let (min, max) = PUBLISH_TIMEOUT_RANGE;
        let publish_timeout = reader.span(PUBLISH_TIMEOUT, min, max);
        let partitions = reader.number(TOPIC_PARTITIONS, 1, MAX_PARTITIONS);
        let replicas = reader.number(TOPIC_REPLICAS, 1, MAX_REPLICAS);
        Some(Self {
            brokers: brokers?,
            publish_timeout: publish_timeout?,
            partitions: i32::try_from(partitions??).ok()?,
            replicas: i32::try_from(replicas??).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_wrong_settings_are_reported_together() {
        let mut reader = Reader::from_source(|name| {
            let wrong = match name {
                "DATABASE_URL" => "mysql://ann:s3cret@db/todos",
                "DATABASE_ATTEMPTS" => "0",
                "DATABASE_RETRY_DELAY" => "2h",
                "KAFKA_BROKERS" => "localhost",
                "PUBLISH_TIMEOUT" => "never",
                "TOPIC_PARTITIONS" => "-1",
                "TOPIC_REPLICAS" => "10",
                _ => return None,
            };
            Some(wrong.to_owned())
        });
        let config = Config::read(&mut reader);
        let mistakes = reader.finish(config).unwrap_err().to_string();
        assert!(mistakes.contains("has 7 mistake(s)"), "{mistakes}");
        assert!(!mistakes.contains("s3cret"), "{mistakes}");
    }
}
