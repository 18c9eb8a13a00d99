//! The configuration of items.

use std::time::Duration;

use shared::base::config::{Configuration, Reader, Setting};
use shared::service::settings::stores::{StoreDefaults, StoreSettings};
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

use crate::domain::{MAX_VALUE_BYTES, QueueLimits, TicketLimits};

/// All settings of items.
#[derive(Debug)]
pub struct Config {
    /// The settings of any service.
    pub common: ServiceSettings,
    /// The store, and what goes with it.
    pub stores: StoreSettings,
    /// How long the queue may become. Read from `MAX_QUEUED_WRITES`, `MAX_QUEUED_BYTES` and
    /// `MAX_STREAM_ENTRIES`.
    pub queue: QueueLimits,
    /// How long, and how many, tickets of ended writes are kept. Read from `TICKET_RETENTION` and
    /// `MAX_TICKETS`.
    pub tickets: TicketLimits,
}

const DEFAULTS: Defaults = Defaults {
    service: "items",
    // An image is built with the variable. A build without it has no name for its commit.
    commit: match option_env!("SOURCE_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    },
    http_addr: "127.0.0.1:8004",
};
const STORES: StoreDefaults = StoreDefaults {
    service: "items",
    own: Setting {
        name: "ITEMS_REDIS_URL",
        default: "redis://127.0.0.1:6379",
        help: "store of items and their queue, redis://, redis-sentinel:// or redis-cluster://",
    },
    other: None,
    consumer_http_addr: "127.0.0.1:8005",
};
const MAX_QUEUED_WRITES: Setting = Setting {
    name: "MAX_QUEUED_WRITES",
    default: "100000",
    help: "writes that may wait to be applied, 1 to 10000000; more are answered 503",
};
const MAX_QUEUED_BYTES: Setting = Setting {
    name: "MAX_QUEUED_BYTES",
    default: "67108864",
    help: "bytes of the values that may wait to be applied, 65536 to 10000000000; more are answered 503",
};
const MAX_STREAM_ENTRIES: Setting = Setting {
    name: "MAX_STREAM_ENTRIES",
    default: "1000000",
    help: "entries of the queue, the applied ones of STREAM_RETENTION included, 100 to 100000000; more are answered 503",
};
const TICKET_RETENTION: Setting = Setting {
    name: "TICKET_RETENTION",
    default: "24h",
    help: "how long a ticket is kept after its write has ended, 1m to 30d; shorter beyond half of MAX_TICKETS",
};
const MAX_TICKETS: Setting = Setting {
    name: "MAX_TICKETS",
    default: "1000000",
    help: "tickets of ended writes, 100 to 100000000; the time for which each is kept falls to 1m at this number",
};
const TICKET_RETENTION_RANGE: (Duration, Duration) =
    (Duration::from_mins(1), Duration::from_hours(30 * 24));
/// Most bytes of a body. In JSON, a byte of a value takes up to 6 bytes (`\u0001`), so each value
/// fits into a body.
const MAX_BODY_BYTES: usize = 6 * MAX_VALUE_BYTES + 1024;

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        let common = ServiceSettings::read(reader, DEFAULTS);
        let stores = StoreSettings::read(reader, STORES);
        let writes = reader.number(MAX_QUEUED_WRITES, 1, 10_000_000);
        let bytes = reader.number(MAX_QUEUED_BYTES, MAX_VALUE_BYTES, 10_000_000_000);
        let entries = reader.number(MAX_STREAM_ENTRIES, 100, 100_000_000);
        let (min, max) = TICKET_RETENTION_RANGE;
        let longest = reader.span(TICKET_RETENTION, min, max);
        let most = reader.number(MAX_TICKETS, 100, 100_000_000);
        let mut common = common?;
        common.http.max_body_bytes = MAX_BODY_BYTES;
        Some(Self {
            common,
            stores: stores?,
            queue: QueueLimits {
                writes: writes??,
                bytes: bytes??,
                entries: entries??,
            },
            tickets: TicketLimits {
                longest: longest?,
                most: most??,
            },
        })
    }
}
