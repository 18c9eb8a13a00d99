//! The settings that both services have.

use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use crate::base::config::{Address, Configuration, Reader, Setting};
use crate::base::telemetry::{LogFilter, LogFormat};
use crate::contract::id::Partitions;
use crate::http::settings::HttpSettings;
use crate::redis::RedisUrl;
use crate::redis::{ReplicaAcks, is_same_store};
use crate::stream::replay::REPLAY_WINDOW;

/// What every process of the system is told.
#[derive(Debug)]
pub struct Common {
    /// The service: `inventory` or `payments`.
    pub service: &'static str,
    /// The commit that it was built from.
    pub commit: &'static str,
    /// The store of inventory. Read from `INVENTORY_REDIS_URL`.
    pub inventory_store: RedisUrl,
    /// The store of payments. Read from `PAYMENTS_REDIS_URL`.
    pub payments_store: RedisUrl,
    /// Where `serve` listens. Read from `HTTP_ADDR`.
    pub http_addr: Address,
    /// Where `consume` answers probes. Read from `CONSUMER_HTTP_ADDR`.
    pub consumer_http_addr: Address,
    /// How HTTP is served.
    pub http: HttpSettings,
    /// Replicas that must have a change before it is answered. Read from `REPLICA_ACKS` and
    /// `REPLICA_ACK_TIMEOUT`.
    pub replica_acks: ReplicaAcks,
    /// How keys are spread. Read from `PARTITIONS`.
    pub partitions: Partitions,
    /// How long an acknowledged entry stays in the own stream. Read from `STREAM_RETENTION`.
    pub stream_retention: Duration,
    /// Name of the consumer in its group. Read from `CONSUMER_NAME`.
    pub consumer_name: String,
    /// Idle time after which another consumer's entries are taken over. Read from `RECLAIM_IDLE`.
    pub reclaim_idle: Duration,
    /// How log lines look. Read from `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// Which log lines are written. Read from `RUST_LOG`.
    pub log_filter: LogFilter,
    /// Whether a terminal may be told colours. Read from `NO_COLOR`.
    pub log_in_color: bool,
    /// Threads of this process; `None`: what its work needs. Read from `TOKIO_WORKER_THREADS`.
    pub worker_threads: Option<usize>,
}

/// The configuration of a service.
pub trait ServiceConfiguration: Configuration {
    /// What both services are told.
    fn common(&self) -> &Common;
}

/// What differs between the services.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The service: first part of the consumer's name.
    pub service: &'static str,
    /// The commit that it was built from.
    pub commit: &'static str,
    /// Default of `HTTP_ADDR`.
    pub http_addr: &'static str,
    /// Default of `CONSUMER_HTTP_ADDR`.
    pub consumer_http_addr: &'static str,
}

const DAY: Duration = Duration::from_hours(24);

const INVENTORY_REDIS_URL: Setting = Setting {
    name: "INVENTORY_REDIS_URL",
    default: "redis://127.0.0.1:6380",
    help: "store of inventory, redis://, redis-sentinel:// or redis-cluster://",
};
const PAYMENTS_REDIS_URL: Setting = Setting {
    name: "PAYMENTS_REDIS_URL",
    default: "redis://127.0.0.1:6390",
    help: "store of payments, redis://, redis-sentinel:// or redis-cluster://",
};
const REPLICA_ACKS: Setting = Setting {
    name: "REPLICA_ACKS",
    default: "0",
    help: "replicas that must have a change before it is answered or acted on, 0 (none) to 255",
};
const REPLICA_ACK_TIMEOUT: Setting = Setting {
    name: "REPLICA_ACK_TIMEOUT",
    default: "100ms",
    help: "longest wait for those replicas, 1ms to 500ms; then 503, and the same key is safe",
};
/// Well below the time after which a command counts as failed.
const ACK_TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_millis(500));
const PARTITIONS: Setting = Setting {
    name: "PARTITIONS",
    default: "",
    help: "number of partitions, 1 to 65535; unset: 16 with redis-cluster://, else keys without a tag",
};
/// So many, where it is not said: enough for a cluster of a dozen nodes, few enough for one reader
/// each. They cannot be changed later.
const CLUSTER_PARTITIONS: NonZeroU16 = NonZeroU16::new(16).unwrap();
const STREAM_RETENTION: Setting = Setting {
    name: "STREAM_RETENTION",
    default: "10m",
    help: "how long an acknowledged entry stays in the own stream, 10m to 365d",
};
const CONSUMER_NAME: Setting = Setting {
    name: "CONSUMER_NAME",
    default: "",
    help: "name of this consumer, 1 to 200 letters, another one for each process; unset: <service>-<host>-<port>",
};
const MAX_CONSUMER_NAME: usize = 200;
const RECLAIM_IDLE: Setting = Setting {
    name: "RECLAIM_IDLE",
    default: "30s",
    help: "idle time after which a dead consumer's entries are taken over, 1s to 1h",
};
const LOG_FORMAT: Setting = Setting {
    name: "LOG_FORMAT",
    default: "pretty",
    help: "pretty or json",
};
const RUST_LOG: Setting = Setting {
    name: "RUST_LOG",
    default: "info",
    help: "log filter: error, warn, info, debug, trace or off, also for one target (info,http=warn)",
};
const TOKIO_WORKER_THREADS: Setting = Setting {
    name: "TOKIO_WORKER_THREADS",
    default: "",
    help: "threads of this process, 1 to 256; unset: half the cores for serve, 1 for all else",
};
const MAX_WORKER_THREADS: usize = 256;
const NO_COLOR: Setting = Setting {
    name: "NO_COLOR",
    default: "",
    help: "anything: no colours; unset: colours where the log goes to a terminal",
};

impl Common {
    /// Reads the settings. `None` means that at least one is wrong.
    pub fn read(reader: &mut Reader, defaults: Defaults) -> Option<Self> {
        let Defaults {
            service,
            commit,
            http_addr,
            consumer_http_addr,
        } = defaults;
        let http_addr = Setting {
            name: "HTTP_ADDR",
            default: http_addr,
            help: "where serve listens, host:port",
        };
        let consumer_http_addr = Setting {
            name: "CONSUMER_HTTP_ADDR",
            default: consumer_http_addr,
            help: "where consume answers /livez and /readyz, host:port",
        };
        // Every setting is read before the first one may end this function: all mistakes are
        // reported together.
        let inventory_store = reader.read::<RedisUrl>(INVENTORY_REDIS_URL);
        let payments_store = reader.read::<RedisUrl>(PAYMENTS_REDIS_URL);
        let http_addr = reader.read(http_addr);
        let consumer_http_addr = reader.read(consumer_http_addr);
        let http = HttpSettings::read(reader);
        let replica_acks = read_acks(reader);
        let partitions = reader.optional(PARTITIONS);
        // Shorter, and a replay after a restart would not find what it looks for.
        let stream_retention = reader.span(STREAM_RETENTION, REPLAY_WINDOW, 365 * DAY);
        let consumer_name = reader.optional::<ConsumerName>(CONSUMER_NAME);
        let reclaim_idle = reader.span(
            RECLAIM_IDLE,
            Duration::from_secs(1),
            Duration::from_hours(1),
        );
        let log_format = reader.read(LOG_FORMAT);
        let log_filter = reader.read(RUST_LOG);
        let worker_threads = reader.number(TOKIO_WORKER_THREADS, 1, MAX_WORKER_THREADS);
        let no_color = reader.optional::<AnyText>(NO_COLOR);
        let (inventory_store, payments_store) =
            read_apart(reader, inventory_store, payments_store)?;
        let consumer_http_addr = consumer_http_addr?;
        let consumer_name = match consumer_name? {
            Some(ConsumerName(name)) => name,
            None => default_consumer_name(service, &consumer_http_addr),
        };
        let clustered = inventory_store.is_cluster() || payments_store.is_cluster();
        let partitions = partitions?.or(clustered.then_some(CLUSTER_PARTITIONS));
        Some(Self {
            service,
            commit,
            inventory_store,
            payments_store,
            http_addr: http_addr?,
            consumer_http_addr,
            http: http?,
            replica_acks: replica_acks?,
            partitions: partitions.map_or(Partitions::NONE, Partitions::new),
            stream_retention: stream_retention?,
            consumer_name,
            reclaim_idle: reclaim_idle?,
            log_format: log_format?,
            log_filter: log_filter?,
            worker_threads: worker_threads?,
            log_in_color: no_color?.is_none(),
        })
    }
}

/// Two stores that are not the same one.
fn read_apart(
    reader: &mut Reader,
    inventory: Option<RedisUrl>,
    payments: Option<RedisUrl>,
) -> Option<(RedisUrl, RedisUrl)> {
    let (inventory, payments) = (inventory?, payments?);
    if is_same_store(&inventory, &payments) {
        let database = "names the same store as INVENTORY_REDIS_URL: name another server, or \
            another database of that server, such as 1 in redis://127.0.0.1:6379/1";
        reader.mistake(PAYMENTS_REDIS_URL.name, &database);
        return None;
    }
    Some((
        inventory.read_from(INVENTORY_REDIS_URL.name),
        payments.read_from(PAYMENTS_REDIS_URL.name),
    ))
}

/// A name for people and for the store.
struct ConsumerName(String);

impl FromStr for ConsumerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.chars().count() <= MAX_CONSUMER_NAME && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
            .ok_or("expected a shorter name, on one line")
    }
}

/// A setting of which only counts that it is set.
struct AnyText;

impl FromStr for AnyText {
    type Err = &'static str;

    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}

fn read_acks(reader: &mut Reader) -> Option<ReplicaAcks> {
    let count = reader.read::<u8>(REPLICA_ACKS);
    let (min, max) = ACK_TIMEOUT_RANGE;
    let timeout = reader.span(REPLICA_ACK_TIMEOUT, min, max);
    Some(ReplicaAcks {
        count: u32::from(count?),
        timeout: timeout?,
    })
}

/// The same after a restart, so that a consumer finds its own pending entries at once; and another one
/// for each consumer, because two on one host cannot listen on one port.
fn default_consumer_name(service: &str, address: &Address) -> String {
    format!(
        "{service}-{}-{}",
        gethostname::gethostname().to_string_lossy(),
        address.port()
    )
}

#[cfg(test)]
mod tests;
