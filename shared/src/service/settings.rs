//! The settings of every service. [`stores`] has the further settings of a service with a store.

use std::str::FromStr;

use crate::base::config::{Address, Configuration, Reader, Setting};
use crate::base::telemetry::{LogFilter, LogFormat};
use crate::http::settings::HttpSettings;

pub mod stores;

/// The settings of every process of a service.
#[derive(Debug)]
pub struct ServiceSettings {
    /// The name of the service.
    pub service: &'static str,
    /// The commit that the service was built from.
    pub commit: &'static str,
    /// Where `serve` listens. Read from `HTTP_ADDR`.
    pub http_addr: Address,
    /// How HTTP is served.
    pub http: HttpSettings,
    /// The form of log lines. Read from `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// Which log lines are written. Read from `RUST_LOG`.
    pub log_filter: LogFilter,
    /// Whether log lines on a terminal may have colours. Read from `NO_COLOR`.
    pub log_in_color: bool,
    /// Threads of this process; `None`: as many as its work needs. Read from
    /// `TOKIO_WORKER_THREADS`.
    pub worker_threads: Option<usize>,
}

/// The configuration of a service.
pub trait ServiceConfiguration: Configuration {
    /// The settings that every service has.
    fn common(&self) -> &ServiceSettings;
}

/// The names and defaults that differ between services.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The name of the service.
    pub service: &'static str,
    /// The commit that the service was built from.
    pub commit: &'static str,
    /// Default of `HTTP_ADDR`.
    pub http_addr: &'static str,
}

/// The value of a setting that only has to be set: any text is right.
struct AnyText;

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
    help: "threads of this process, 1 to 256; unset: half the cores for serve, 1 for other commands",
};
const MAX_WORKER_THREADS: usize = 256;
const NO_COLOR: Setting = Setting {
    name: "NO_COLOR",
    default: "",
    help: "any text: no colours; unset: colours if the log goes to a terminal",
};

impl ServiceSettings {
    /// Reads the settings. `None` means that at least one is wrong.
    pub fn read(reader: &mut Reader, defaults: Defaults) -> Option<Self> {
        let Defaults {
            service,
            commit,
            http_addr,
        } = defaults;
        let http_addr = Setting {
            name: "HTTP_ADDR",
            default: http_addr,
            help: "where serve listens, host:port",
        };
        // Reads every setting before a mistake ends this function, so that all mistakes are
        // reported together.
        let http_addr = reader.read(http_addr);
        let http = HttpSettings::read(reader);
        let log_format = reader.read(LOG_FORMAT);
        let log_filter = reader.read(RUST_LOG);
        let worker_threads = reader.number(TOKIO_WORKER_THREADS, 1, MAX_WORKER_THREADS);
        let no_color = reader.optional::<AnyText>(NO_COLOR);
        Some(Self {
            service,
            commit,
            http_addr: http_addr?,
            http: http?,
            log_format: log_format?,
            log_filter: log_filter?,
            worker_threads: worker_threads?,
            log_in_color: no_color?.is_none(),
        })
    }
}

impl FromStr for AnyText {
    type Err = &'static str;

    fn from_str(_: &str) -> Result<Self, Self::Err> {
        Ok(Self)
    }
}
