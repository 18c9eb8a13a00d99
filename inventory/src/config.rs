//! The configuration of inventory.

use std::time::Duration;

use shared::base::config::{Configuration, Reader, Setting};
use shared::contract::limits::MIN_RECORD_RETENTION;
use shared::service::settings::stores::{StoreDefaults, StoreSettings};
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

/// All settings of inventory.
#[derive(Debug)]
pub struct Config {
    /// The settings of any service.
    pub common: ServiceSettings,
    /// The stores of both services, and what goes with them.
    pub stores: StoreSettings,
    /// How long the records of orders are kept. Read from `DEDUPE_RETENTION`.
    pub dedupe_retention: Duration,
}

const DEFAULTS: Defaults = Defaults {
    service: "inventory",
    commit: env!("SOURCE_COMMIT"),
    http_addr: "127.0.0.1:8000",
};
const STORES: StoreDefaults = StoreDefaults {
    service: "inventory",
    own: Setting {
        name: "INVENTORY_REDIS_URL",
        default: "redis://127.0.0.1:6380",
        help: "store of inventory, redis://, redis-sentinel:// or redis-cluster://",
    },
    other: Some(Setting {
        name: "PAYMENTS_REDIS_URL",
        default: "redis://127.0.0.1:6390",
        help: "store of payments, redis://, redis-sentinel:// or redis-cluster://",
    }),
    consumer_http_addr: "127.0.0.1:8001",
};
const DEDUPE_RETENTION: Setting = Setting {
    name: "DEDUPE_RETENTION",
    default: "30d",
    help: "how long inventory remembers the outcome of an order, 8d to 3650d",
};
const MAX_DEDUPE_RETENTION: Duration = Duration::from_hours(3_650 * 24);

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        let common = ServiceSettings::read(reader, DEFAULTS);
        let stores = StoreSettings::read(reader, STORES);
        let dedupe_retention =
            reader.span(DEDUPE_RETENTION, MIN_RECORD_RETENTION, MAX_DEDUPE_RETENTION);
        Some(Self {
            common: common?,
            stores: stores?,
            dedupe_retention: dedupe_retention?,
        })
    }
}
