//! The smallest pair of services on `shared`: `greeter` emits events, `counter` acts on them.
//!
//! The greeter answers `POST /greetings/{name}` and emits `greeted`. The counter reads that stream,
//! and counts how often each person was greeted. Each has a store of its own. So each may be down
//! while the other works, and no greeting is lost or counted twice.
//!
//! `docs/build-your-own.md` walks through these files. Read [`greeted`] first, then [`greeter`],
//! then [`counter`].

mod counter;
mod greeted;
mod greeter;

use std::process::ExitCode;

use clap::Subcommand;
use shared::base::config::{Configuration, Reader, Setting};
use shared::service::cli::{self, Threads};
use shared::service::settings::stores::{StoreDefaults, StoreSettings};
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

/// The commands: each process of a service is a verb of its program.
#[derive(Subcommand)]
enum Verb {
    /// Greet people over HTTP.
    Greet,
    /// Count the greetings.
    Count,
}

/// All settings. `hello --help` lists them with their defaults.
struct Config {
    /// What every service has: address, limits of connections, log.
    common: ServiceSettings,
    /// What a service with a store has. The own store is that of the counter, and the stream lies in
    /// that of the greeter.
    stores: StoreSettings,
}

const DEFAULTS: Defaults = Defaults {
    service: "hello",
    commit: "unknown",
    http_addr: "127.0.0.1:8007",
};
const STORES: StoreDefaults = StoreDefaults {
    service: "counter",
    own: Setting {
        name: "COUNTER_REDIS_URL",
        default: "redis://127.0.0.1:6379/1",
        help: "store of the counter, redis:// or redis-sentinel://",
    },
    other: Some(Setting {
        name: "GREETER_REDIS_URL",
        default: "redis://127.0.0.1:6379/0",
        help: "store of the greeter, redis:// or redis-sentinel://",
    }),
    consumer_http_addr: "127.0.0.1:8008",
};

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        // Both are read before a mistake ends this function, so that all mistakes are reported.
        let common = ServiceSettings::read(reader, DEFAULTS);
        let stores = StoreSettings::read(reader, STORES)?;
        if stores.partitions.count().is_some() {
            reader.mistake(
                "PARTITIONS",
                &"hello knows neither partitions nor a cluster",
            );
        }
        Some(Self {
            common: common?,
            stores,
        })
    }
}

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    match cli::verb("hello", "Greets and counts.", version, Config::describe()) {
        Verb::Greet => cli::run(Threads::One, Config::from_env(), greeter::greet),
        Verb::Count => cli::run(Threads::One, Config::from_env(), counter::count),
    }
}
