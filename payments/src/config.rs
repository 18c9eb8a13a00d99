//! The configuration of payments.

use std::time::Duration;

use reqwest::Url;
use shared::base::config::{Configuration, Reader, Setting};
use shared::contract::limits::MAX_COMPLETION_DELAY;
use shared::contract::money::FeeRate;
use shared::service::settings::stores::{StoreDefaults, StoreSettings};
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

/// All settings of payments.
#[derive(Debug)]
pub struct Config {
    /// The settings of any service.
    pub common: ServiceSettings,
    /// The stores of both services, and what goes with them.
    pub stores: StoreSettings,
    /// Where inventory answers. Read from `INVENTORY_URL`.
    pub inventory_url: Url,
    /// Time between an order and its payment. Read from `COMPLETION_DELAY`.
    pub completion_delay: Duration,
    /// The fee, as a share of the price of an order. Read from `FEE_RATE`.
    pub fee_rate: FeeRate,
    /// How old a price may be. Read from `PRODUCT_CACHE_TTL`.
    pub product_cache_ttl: Duration,
    /// Whether an order beyond the stock on hand is refused at once. Read from `EARLY_STOCK_CHECK`.
    pub early_stock_check: bool,
}

/// A URL to which a path can be added.
struct HttpUrl(Url);

const DEFAULTS: Defaults = Defaults {
    service: "payments",
    commit: env!("SOURCE_COMMIT"),
    http_addr: "127.0.0.1:9400",
};
const STORES: StoreDefaults = StoreDefaults {
    service: "payments",
    own: Setting {
        name: "PAYMENTS_REDIS_URL",
        default: "redis://127.0.0.1:6390",
        help: "store of payments, redis://, redis-sentinel:// or redis-cluster://",
    },
    other: Some(Setting {
        name: "INVENTORY_REDIS_URL",
        default: "redis://127.0.0.1:6380",
        help: "store of inventory, redis://, redis-sentinel:// or redis-cluster://",
    }),
    consumer_http_addr: "127.0.0.1:9401",
};
const INVENTORY_URL: Setting = Setting {
    name: "INVENTORY_URL",
    default: "http://127.0.0.1:8000",
    help: "where the inventory service answers, http:// only",
};
const COMPLETION_DELAY: Setting = Setting {
    name: "COMPLETION_DELAY",
    default: "5s",
    help: "time between an order and its payment, 0 to 7d",
};
const FEE_RATE: Setting = Setting {
    name: "FEE_RATE",
    default: "0.20",
    help: "the fee, as a share of the price of an order, 0 to 1",
};
const PRODUCT_CACHE_TTL: Setting = Setting {
    name: "PRODUCT_CACHE_TTL",
    default: "1s",
    help: "how old a price may be, 0 (always ask) to 1h",
};
const EARLY_STOCK_CHECK: Setting = Setting {
    name: "EARLY_STOCK_CHECK",
    default: "false",
    help: "true: an order beyond the stock on hand is refused at once with 409",
};

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        let common = ServiceSettings::read(reader, DEFAULTS);
        let stores = StoreSettings::read(reader, STORES);
        let inventory_url = reader.read::<HttpUrl>(INVENTORY_URL);
        let completion_delay = reader.span(COMPLETION_DELAY, Duration::ZERO, MAX_COMPLETION_DELAY);
        let fee_rate = reader.read(FEE_RATE);
        let product_cache_ttl =
            reader.span(PRODUCT_CACHE_TTL, Duration::ZERO, Duration::from_hours(1));
        let early_stock_check = reader.read(EARLY_STOCK_CHECK);
        Some(Self {
            common: common?,
            stores: stores?,
            inventory_url: inventory_url?.0,
            completion_delay: completion_delay?,
            fee_rate: fee_rate?,
            product_cache_ttl: product_cache_ttl?,
            early_stock_check: early_stock_check?,
        })
    }
}

impl std::str::FromStr for HttpUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "http" && url.has_host());
        url.map(Self)
            .ok_or("expected a URL such as http://127.0.0.1:8000")
    }
}
