//! The configuration of records.

use std::str::FromStr;
use std::time::Duration;

use postgres::DatabaseUrl;
use shared::base::config::{Configuration, Reader, Setting};
use shared::redis::RedisUrl;
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

/// All settings of records.
#[derive(Debug)]
pub struct Config {
    /// The settings of any service.
    pub common: ServiceSettings,
    /// The database. Read from `DATABASE_URL`.
    pub database: DatabaseUrl,
    /// Most connections to the database. Read from `DATABASE_CONNECTIONS`.
    pub database_connections: u32,
    /// How long a start waits for the database. Read from `DATABASE_START_TIMEOUT`.
    pub database_start_timeout: Duration,
    /// The cache. Read from `REDIS_URL`.
    pub redis: CacheUrl,
    /// How long a value stays in the cache. Read from `CACHE_TTL`.
    pub cache_ttl: Duration,
    /// Longest wait for an answer of the cache. Read from `CACHE_TIMEOUT`.
    pub cache_timeout: Duration,
}

/// The address of the cache: one server. A server that takes over from another one may have old
/// values, so there is no form for several.
#[derive(Clone, Debug)]
pub struct CacheUrl(RedisUrl);

const DEFAULTS: Defaults = Defaults {
    service: "records",
    commit: match option_env!("SOURCE_COMMIT") {
        Some(commit) if !commit.is_empty() => commit,
        _ => "unknown",
    },
    http_addr: "127.0.0.1:8002",
};
const DATABASE_URL: Setting = Setting {
    name: "DATABASE_URL",
    default: "postgres://records@127.0.0.1:5432/records",
    help: "the database, postgres://user:password@host:port/database; sslmode is not supported",
};
const DATABASE_CONNECTIONS: Setting = Setting {
    name: "DATABASE_CONNECTIONS",
    default: "16",
    help: "connections of this process to the database, 1 to 500",
};
const MAX_CONNECTIONS: usize = 500;
const DATABASE_START_TIMEOUT: Setting = Setting {
    name: "DATABASE_START_TIMEOUT",
    default: "1m",
    help: "how long a start waits for the database, 1s to 1h; then the process fails",
};
const REDIS_URL: Setting = Setting {
    name: "REDIS_URL",
    default: "redis://127.0.0.1:6379",
    help: "the cache, redis://host:port: one server that keeps no files",
};
const CACHE_TTL: Setting = Setting {
    name: "CACHE_TTL",
    default: "1m",
    help: "how long a value stays in the cache, 1s to 24h",
};
const CACHE_TIMEOUT: Setting = Setting {
    name: "CACHE_TIMEOUT",
    default: "250ms",
    help: "longest wait for an answer of the cache, 10ms to 5s; then the database is asked",
};
const SECOND: Duration = Duration::from_secs(1);

/// The error for a text that is not the address of a cache.
const CACHE_FORM: &str = "expected redis://user:password@host:port: one server that keeps no files, no Sentinel or cluster";

impl CacheUrl {
    /// The address for the client.
    pub fn server(&self) -> &RedisUrl {
        &self.0
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
        let database = reader.read(DATABASE_URL);
        let connections = reader.number(DATABASE_CONNECTIONS, 1, MAX_CONNECTIONS);
        let start_timeout = reader.span(DATABASE_START_TIMEOUT, SECOND, Duration::from_hours(1));
        let redis = reader.read(REDIS_URL);
        let cache_ttl = reader.span(CACHE_TTL, SECOND, Duration::from_hours(24));
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(5));
        let cache_timeout = reader.span(CACHE_TIMEOUT, least, most);
        Some(Self {
            common: common?,
            database: database?,
            database_connections: u32::try_from(connections??).ok()?,
            database_start_timeout: start_timeout?,
            redis: redis?,
            cache_ttl: cache_ttl?,
            cache_timeout: cache_timeout?,
        })
    }
}

impl FromStr for CacheUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with("redis://") {
            return Err(CACHE_FORM.to_owned());
        }
        text.parse().map(Self)
    }
}
