//! The settings of the HTTP side of a process.

use std::num::NonZeroU16;
use std::time::Duration;

use crate::base::config::{Reader, Setting};
use crate::http::cors::Origins;
use crate::http::hosts::AllowedHosts;
use crate::http::public_url::PublicUrl;
use crate::http::rate_limit::Rate;

/// How HTTP is served.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Most connections at once. For one more, the server closes the connection that has been idle
    /// longest. Read from `MAX_CONNECTIONS`.
    pub max_connections: NonZeroU16,
    /// Most connections of one address. Read from `MAX_CONNECTIONS_PER_ADDRESS`.
    pub max_connections_per_address: Option<NonZeroU16>,
    /// Most requests under way at once; the service refuses more. Read from `MAX_REQUESTS`.
    pub max_requests: NonZeroU16,
    /// Longest time for the head of a request to arrive. Read from `HEADER_TIMEOUT`.
    pub header_timeout: Duration,
    /// Longest time that a connection waits for its next request. Read from `KEEP_ALIVE_TIMEOUT`.
    pub keep_alive_timeout: Duration,
    /// How long the process still takes requests after it is told to stop. Read from `DRAIN_DELAY`.
    pub drain_delay: Duration,
    /// The names under which clients may call the service. Read from `ALLOWED_HOSTS`.
    pub allowed_hosts: AllowedHosts,
    /// The origins whose pages may call the API. Read from `CORS_ORIGINS`.
    pub cors_origins: Origins,
    /// Where clients see the API. Read from `PUBLIC_URL`.
    pub public_url: Option<PublicUrl>,
    /// Most requests of one address in a time. Read from `RATE_LIMIT`.
    pub rate_limit: Option<Rate>,
    /// Whether a POST without an idempotency key is refused. Read from `REQUIRE_IDEMPOTENCY_KEY`.
    pub require_idempotency_key: bool,
    /// Most bytes of a body that announces its length. No setting: a service whose bodies are
    /// larger than [`MAX_BODY_BYTES`] says so itself.
    pub max_body_bytes: usize,
}

/// Most bytes of a body, unless the service takes larger ones.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
const MAX_CONNECTIONS: Setting = Setting {
    name: "MAX_CONNECTIONS",
    default: "4096",
    help: "connections at once, 1 to 65535; each takes a file descriptor and up to 88 KiB; for one more, the one idle longest is closed",
};
const MAX_CONNECTIONS_PER_ADDRESS: Setting = Setting {
    name: "MAX_CONNECTIONS_PER_ADDRESS",
    default: "",
    help: "connections of one address, 1 to 65535; unset: a quarter of MAX_CONNECTIONS, at least 64",
};
/// By default, one address has at most this part of all connections: a quarter.
const DEFAULT_SHARE: u16 = 4;
/// By default, one address has at least this share of connections.
const MIN_DEFAULT_SHARE: u16 = 64;
const MAX_REQUESTS: Setting = Setting {
    name: "MAX_REQUESTS",
    default: "512",
    help: "requests under way at once, 1 to 65535; more are answered 503",
};
const HEADER_TIMEOUT: Setting = Setting {
    name: "HEADER_TIMEOUT",
    default: "10s",
    help: "longest time for the head of a request to arrive, 1s to 60s",
};
const HEADER_TIMEOUT_RANGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
const KEEP_ALIVE_TIMEOUT: Setting = Setting {
    name: "KEEP_ALIVE_TIMEOUT",
    default: "75s",
    help: "how long an idle connection is kept, 1s to 1h; longer than a load balancer keeps its own",
};
const KEEP_ALIVE_TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_hours(1));
const DRAIN_DELAY: Setting = Setting {
    name: "DRAIN_DELAY",
    default: "500ms",
    help: "how long serve takes requests after SIGTERM, with /readyz at 503, 0 to 60s",
};
const ALLOWED_HOSTS: Setting = Setting {
    name: "ALLOWED_HOSTS",
    default: "",
    help: "names of this service in Host, between commas, or *; unset: on a loopback address localhost and the host of PUBLIC_URL, elsewhere any",
};
const CORS_ORIGINS: Setting = Setting {
    name: "CORS_ORIGINS",
    default: "",
    help: "origins whose pages may call the API and change it, between commas, or *; unset: none",
};
const PUBLIC_URL: Setting = Setting {
    name: "PUBLIC_URL",
    default: "",
    help: "URL under which clients see the API, with the path of a proxy; unset: links are paths",
};
const RATE_LIMIT: Setting = Setting {
    name: "RATE_LIMIT",
    default: "",
    help: "requests per time for each client address, such as 100/60s; unset: no limit",
};
const REQUIRE_IDEMPOTENCY_KEY: Setting = Setting {
    name: "REQUIRE_IDEMPOTENCY_KEY",
    default: "false",
    help: "true: a POST without an Idempotency-Key is answered 400",
};
const MAX_DRAIN_DELAY: Duration = Duration::from_mins(1);

impl HttpSettings {
    /// Reads the settings. `None` means that at least one is wrong.
    pub fn read(reader: &mut Reader) -> Option<Self> {
        let max_connections = reader.read(MAX_CONNECTIONS);
        let max_connections_per_address = reader.optional(MAX_CONNECTIONS_PER_ADDRESS);
        let max_requests = reader.read(MAX_REQUESTS);
        let (min, max) = HEADER_TIMEOUT_RANGE;
        let header_timeout = reader.span(HEADER_TIMEOUT, min, max);
        let (min, max) = KEEP_ALIVE_TIMEOUT_RANGE;
        let keep_alive_timeout = reader.span(KEEP_ALIVE_TIMEOUT, min, max);
        let drain_delay = reader.span(DRAIN_DELAY, Duration::ZERO, MAX_DRAIN_DELAY);
        let allowed_hosts = reader.read(ALLOWED_HOSTS);
        let cors_origins = reader.read(CORS_ORIGINS);
        let public_url = reader.optional(PUBLIC_URL);
        let rate_limit = reader.optional(RATE_LIMIT);
        let require_idempotency_key = reader.read(REQUIRE_IDEMPOTENCY_KEY);
        Some(Self {
            max_connections: max_connections?,
            max_connections_per_address: max_connections_per_address?,
            max_requests: max_requests?,
            header_timeout: header_timeout?,
            keep_alive_timeout: keep_alive_timeout?,
            drain_delay: drain_delay?,
            allowed_hosts: allowed_hosts?,
            cors_origins: cors_origins?,
            public_url: public_url?,
            rate_limit: rate_limit?,
            require_idempotency_key: require_idempotency_key?,
            max_body_bytes: MAX_BODY_BYTES,
        })
    }

    /// Most connections of one address.
    pub fn share(&self) -> usize {
        let all = self.max_connections.get();
        let default = || (all / DEFAULT_SHARE).max(MIN_DEFAULT_SHARE);
        let share = self
            .max_connections_per_address
            .map_or_else(default, NonZeroU16::get);
        share.min(all).into()
    }

    /// Most answers that the clients of one address may leave unread.
    pub fn untaken_share(&self) -> usize {
        self.part(self.max_requests.get().into())
    }

    /// The part of `whole` that one address may have, at least 1: the same part as its connections
    /// are of `max_connections`.
    pub(crate) fn part(&self, whole: usize) -> usize {
        (whole * self.share() / usize::from(self.max_connections.get())).max(1)
    }

    /// Most live streams at once: half of the connections. The rest is for requests that end.
    pub fn max_streams(&self) -> usize {
        usize::from(self.max_connections.get()) / 2
    }

    /// Most long polls at once: three eighths of the connections.
    pub fn max_waits(&self) -> usize {
        usize::from(self.max_connections.get()) * 3 / 8
    }

    /// The settings of a process that only answers probes: no drain delay, and no rate limit.
    #[must_use]
    pub fn for_probes(&self) -> Self {
        Self {
            drain_delay: Duration::ZERO,
            rate_limit: None,
            ..self.clone()
        }
    }
}
