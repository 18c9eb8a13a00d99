//! The settings of a service that has a Redis store of its own, and acts on a stream in the store
//! of another service or in its own store.

use std::num::NonZeroU16;
use std::str::FromStr;
use std::time::Duration;

use crate::base::config::{Address, Reader, Setting};
use crate::contract::event::Event;
use crate::redis::{Redis, RedisUrl, ReplicaAcks, is_same_store};
use crate::store::open::Witness;
use crate::store::partition::Partitions;
use crate::stream::consumer;
use crate::stream::dead_letter::{Bounds, REPORT_INTERVAL};
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::retention::Limits;

/// The settings of every process of such a service.
#[derive(Debug)]
pub struct StoreSettings {
    /// The store of the service.
    pub own: RedisUrl,
    /// The store with the stream that the service reads: that of another service, or its own.
    pub stream: RedisUrl,
    /// Where `consume` answers probes. Read from `CONSUMER_HTTP_ADDR`.
    pub consumer_http_addr: Address,
    /// How many replicas must have a change before the service answers, and how long it waits for
    /// them. Read from `REPLICA_ACKS` and `REPLICA_ACK_TIMEOUT`.
    pub replica_acks: ReplicaAcks,
    /// The partitions over which keys are spread. Read from `PARTITIONS`.
    pub partitions: Partitions,
    /// How long entries stay in the own stream. Read from `STREAM_RETENTION` and
    /// `FOREIGN_GROUP_LIMIT`.
    pub stream_limits: Limits,
    /// Name of the consumer in its group. Read from `CONSUMER_NAME`.
    pub consumer_name: String,
    /// Idle time after which this consumer takes over the pending entries of another. Read from
    /// `RECLAIM_IDLE`.
    pub reclaim_idle: Duration,
}

/// The names and defaults that differ between services with a store.
#[derive(Clone, Copy, Debug)]
pub struct StoreDefaults {
    /// Name of the service: the first part of the default name of its consumer.
    pub service: &'static str,
    /// The setting that names the store of the service.
    pub own: Setting,
    /// The setting that names the store of the service whose stream this one reads. `None`: the
    /// service reads a stream in its own store.
    pub other: Option<Setting>,
    /// Default of `CONSUMER_HTTP_ADDR`.
    pub consumer_http_addr: &'static str,
}

/// The name of a consumer in its group.
struct ConsumerName(String);

const DAY: Duration = Duration::from_hours(24);
const REPLICA_ACKS: Setting = Setting {
    name: "REPLICA_ACKS",
    default: "0",
    help: "replicas that must have a change before it is answered or acted on, 0 (none) to 255",
};
const REPLICA_ACK_TIMEOUT: Setting = Setting {
    name: "REPLICA_ACK_TIMEOUT",
    default: "100ms",
    help: "longest wait for these replicas, 1ms to 500ms; then 503, and a retry with the same key is safe",
};
/// Well below the time after which a Redis command counts as failed.
const ACK_TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_millis(500));
const PARTITIONS: Setting = Setting {
    name: "PARTITIONS",
    default: "",
    help: "number of partitions, 1 to 65535; unset: 16 with redis-cluster://, else keys without a tag",
};
/// Number of partitions in a cluster if `PARTITIONS` is unset. It is enough for a dozen nodes, and
/// small enough to give each partition a reader of its own. It cannot be changed later.
const CLUSTER_PARTITIONS: NonZeroU16 = NonZeroU16::new(16).unwrap();
const STREAM_RETENTION: Setting = Setting {
    name: "STREAM_RETENTION",
    default: "10m",
    help: "how long an acknowledged entry stays in the own stream, 10m to 365d",
};
const FOREIGN_GROUP_LIMIT: Setting = Setting {
    name: "FOREIGN_GROUP_LIMIT",
    default: "7d",
    help: "how long an entry stays because a group of another service has not acknowledged it, 10m to 365d",
};
const CONSUMER_NAME: Setting = Setting {
    name: "CONSUMER_NAME",
    default: "",
    help: "name of this consumer, 1 to 200 characters, different in each process; unset: <service>-<host>-<port>",
};
const MAX_CONSUMER_NAME: usize = 200;
const RECLAIM_IDLE: Setting = Setting {
    name: "RECLAIM_IDLE",
    default: "30s",
    help: "idle time after which a dead consumer's entries are taken over, 1s to 1h",
};

impl StoreSettings {
    /// Reads the settings. `None` means that at least one is wrong.
    pub fn read(reader: &mut Reader, defaults: StoreDefaults) -> Option<Self> {
        let consumer_http_addr = Setting {
            name: "CONSUMER_HTTP_ADDR",
            default: defaults.consumer_http_addr,
            help: "where consume answers /livez and /readyz, host:port",
        };
        // Reads every setting before a mistake ends this function, so that all mistakes are
        // reported together.
        let own = reader.read::<RedisUrl>(defaults.own);
        let stream = match defaults.other {
            Some(other) => reader.read::<RedisUrl>(other),
            None => own.clone(),
        };
        let consumer_http_addr = reader.read(consumer_http_addr);
        let replica_acks = read_acks(reader);
        let partitions = reader.optional(PARTITIONS);
        // With a shorter retention, a replay after a loss would not find all entries of its window.
        let retention = reader.span(STREAM_RETENTION, REPLAY_WINDOW, 365 * DAY);
        let foreign_groups = reader.span(FOREIGN_GROUP_LIMIT, REPLAY_WINDOW, 365 * DAY);
        let consumer_name = reader.optional::<ConsumerName>(CONSUMER_NAME);
        let reclaim_idle = reader.span(
            RECLAIM_IDLE,
            Duration::from_secs(1),
            Duration::from_hours(1),
        );
        let (own, stream) = read_apart(reader, defaults, own, stream)?;
        let consumer_http_addr = consumer_http_addr?;
        let consumer_name = match consumer_name? {
            Some(ConsumerName(name)) => name,
            None => default_consumer_name(defaults.service, &consumer_http_addr),
        };
        let clustered = own.is_cluster() || stream.is_cluster();
        let partitions = partitions?.or(clustered.then_some(CLUSTER_PARTITIONS));
        Some(Self {
            own,
            stream,
            consumer_http_addr,
            replica_acks: replica_acks?,
            partitions: partitions.map_or(Partitions::NONE, Partitions::new),
            stream_limits: Limits {
                retention: retention?,
                foreign_groups: foreign_groups?,
            },
            consumer_name,
            reclaim_idle: reclaim_idle?,
        })
    }

    /// A client of the store of the service.
    pub fn own_redis(&self) -> Redis {
        Redis::worker(&self.own).with_acks(self.replica_acks)
    }

    /// The stream of `E`, which the service reads.
    pub fn witness<E: Event>(&self) -> Witness {
        Witness {
            redis: Redis::worker(&self.stream),
            stream: E::STREAM,
            group: E::GROUP,
            is_own: self.stream == self.own,
        }
    }

    /// How the service consumes its stream.
    pub fn consumer(&self) -> consumer::Settings {
        consumer::Settings {
            stream_store: self.stream.clone(),
            acks: self.replica_acks,
            name: self.consumer_name.clone(),
            reclaim_idle: self.reclaim_idle,
            dead_letters: Bounds::SHIPPED,
            report_interval: REPORT_INTERVAL,
        }
    }
}

/// The own store and the store of the stream. The stores of two services must not be the same
/// store.
fn read_apart(
    reader: &mut Reader,
    defaults: StoreDefaults,
    own: Option<RedisUrl>,
    stream: Option<RedisUrl>,
) -> Option<(RedisUrl, RedisUrl)> {
    let (own, other) = (own?, stream?);
    let own_name = defaults.own.name;
    let Some(Setting {
        name: other_name, ..
    }) = defaults.other
    else {
        let own = own.read_from(own_name);
        return Some((own.clone(), own));
    };
    if is_same_store(&own, &other) {
        let database = format!(
            "names the same store as {own_name}: name another server, or another database of that \
             server, such as 1 in redis://127.0.0.1:6379/1"
        );
        reader.mistake(other_name, &database);
        return None;
    }
    Some((own.read_from(own_name), other.read_from(other_name)))
}

impl FromStr for ConsumerName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.chars().count() <= MAX_CONSUMER_NAME && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned()))
            .ok_or("expected a shorter name, on one line")
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

/// The default name of a consumer. It is the same after a restart, so that the consumer finds its
/// own pending entries at once. Two consumers on one host have different names, because they cannot
/// listen on the same port.
fn default_consumer_name(service: &str, address: &Address) -> String {
    // The call fails only for a name that is too long for the system itself.
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{service}-{}-{}", host.to_string_lossy(), address.port())
}

#[cfg(test)]
mod tests;
