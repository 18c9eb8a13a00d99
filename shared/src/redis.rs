//! The one place that knows `fred`, and with it every rule that makes this client safe to use.
//!
//! * Every command goes out as a custom, non-blocking one. `fred` takes its typed `FCALL` for a
//!   blocking command and then never notices that the server stopped answering.
//! * No reply may be an array whose first element is a user's text: `fred` takes a short array led
//!   by `message` for a pub/sub push, drops it, and hands every later reply to the wrong caller. So
//!   functions answer integers first, and hashes are read with `HGETALL`, which is a map in RESP3.
//! * A command is sent once (`max_command_attempts`): a re-sent one could take effect twice.
//!   Whether a command that failed here took effect is unknown, and everything above is built for
//!   that.
//! * A blocking read has a client of its own ([`Redis::reader`]) and is never cancelled: the
//!   entries of a cancelled read would stay in its name without anybody handling them.
//! * A client that had no success for [`STUCK_AFTER`] is thrown away and built anew, whatever it
//!   believes of itself.

mod error;
mod reply;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use fred::interfaces::ClientLike;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, TcpConfig,
    UnresponsiveConfig,
};
use fred::types::{ClusterHash, ConnectHandle, CustomCommand, RespVersion, Value};

use crate::config::RedisUrl;
pub use crate::redis::error::RedisError;
pub use crate::redis::reply::{Entry, Reply, UnexpectedReply};

/// Longest wait for an ordinary command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
/// What a blocking read may take beyond its `BLOCK`.
const READ_MARGIN: Duration = Duration::from_secs(2);
/// Longest wait for a connection, and for the greeting on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// An otherwise quiet connection that owes an answer for this long is closed. The client does not
/// notice it on a busy one; there, [`STUCK_AFTER`] is the limit.
const UNRESPONSIVE_AFTER: Duration = Duration::from_secs(3);
/// A client without a single success for this long is replaced.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);
/// First and longest wait between two attempts to connect, in milliseconds.
const RECONNECT_MS: (u32, u32) = (50, 1_000);
/// Commands that may wait for the connection; more are refused at once, so that a stalled store
/// cannot fill the memory.
const MAX_QUEUED_COMMANDS: usize = 10_000;

/// A client of one Redis store. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    url: RedisUrl,
    timeout: Duration,
    connection: ArcSwap<Connection>,
    started: Instant,
    /// Milliseconds after `started` at which the present row of failures began; 0 while all is
    /// well.
    failing_since_ms: AtomicU64,
}

struct Connection {
    client: fred::clients::Client,
    task: ConnectHandle,
}

/// An argument of a command: a text, bytes or a whole number.
pub type Arg = Value;

/// A command to a Redis server.
#[derive(Debug)]
pub struct Command {
    name: &'static str,
    route: ClusterHash,
    args: Vec<Arg>,
}

/// Whether a text names a server.
pub(crate) fn is_url(text: &str) -> bool {
    Config::from_url(text).is_ok()
}

impl Redis {
    /// A client for commands that answer at once. Connects in the background, for as long as it
    /// takes.
    pub fn worker(url: &RedisUrl) -> Self {
        Self::connect(url, COMMAND_TIMEOUT)
    }

    /// A client for one blocking reader, whose reads block for at most `block`.
    pub fn reader(url: &RedisUrl, block: Duration) -> Self {
        Self::connect(url, block + READ_MARGIN)
    }

    fn connect(url: &RedisUrl, timeout: Duration) -> Self {
        Self(Arc::new(Inner {
            url: url.clone(),
            timeout,
            connection: ArcSwap::from_pointee(Connection::open(url, timeout)),
            started: Instant::now(),
            failing_since_ms: AtomicU64::new(0),
        }))
    }

    /// Sends a command and waits for its reply, at most as long as the kind of this client allows.
    pub async fn run(&self, command: Command) -> Result<Reply, RedisError> {
        let connection = self.0.connection.load_full();
        let custom = CustomCommand::new_static(command.name, command.route, false);
        match connection.client.custom::<Value, Value>(custom, command.args).await {
            Ok(value) => {
                self.0.failing_since_ms.store(0, Ordering::Relaxed);
                Ok(Reply::from(value))
            }
            Err(error) => {
                let error = RedisError::from(error);
                self.watch(&error, &connection);
                Err(error)
            }
        }
    }

    /// The watchdog: an answer of any kind proves the connection; a row of failures that lasts too
    /// long replaces it.
    fn watch(&self, error: &RedisError, connection: &Arc<Connection>) {
        if matches!(error, RedisError::Refused(_)) {
            self.0.failing_since_ms.store(0, Ordering::Relaxed);
            return;
        }
        let now_ms = u64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let first = self.0.failing_since_ms.compare_exchange(
            0,
            now_ms,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        let Err(since_ms) = first else { return };
        if u128::from(now_ms - since_ms.min(now_ms)) < STUCK_AFTER.as_millis() {
            return;
        }
        // Whoever swaps first builds the new client; everybody else finds it in place.
        let replacement = Arc::new(Connection::open(&self.0.url, self.0.timeout));
        let previous = self.0.connection.compare_and_swap(connection, replacement);
        if Arc::ptr_eq(&previous, connection) {
            tracing::warn!(store = %self.0.url, "no success for {STUCK_AFTER:?}: a new Redis client takes over");
            self.0.failing_since_ms.store(0, Ordering::Relaxed);
        }
    }
}

impl Connection {
    fn open(url: &RedisUrl, timeout: Duration) -> Self {
        let mut config = Config::from_url(url.reveal()).unwrap_or_default();
        config.version = RespVersion::RESP3;
        config.fail_fast = false;
        let connection = ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: CONNECT_TIMEOUT,
            max_command_attempts: 1,
            max_command_buffer_len: MAX_QUEUED_COMMANDS,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(UNRESPONSIVE_AFTER.max(timeout)),
                interval: UNRESPONSIVE_AFTER / 3,
            },
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            reconnect_errors: vec![
                ReconnectError::ClusterDown,
                ReconnectError::Loading,
                ReconnectError::MasterDown,
                ReconnectError::ReadOnly,
            ],
            ..ConnectionConfig::default()
        };
        let performance =
            PerformanceConfig { default_command_timeout: timeout, ..PerformanceConfig::default() };
        // No limit on attempts: a store that comes back finds its clients waiting.
        let policy = ReconnectPolicy::new_exponential(0, RECONNECT_MS.0, RECONNECT_MS.1, 2);
        let client =
            fred::clients::Client::new(config, Some(performance), Some(connection), Some(policy));
        let task = client.connect();
        Self { client, task }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Command {
    /// A command that belongs to no key.
    pub fn new(name: &'static str) -> Self {
        Self { name, route: ClusterHash::Random, args: Vec::with_capacity(8) }
    }

    /// Adds a key. The first one decides which node of a cluster receives the command. Its slot is
    /// computed here, because the client heeds no other route of a custom command.
    #[must_use]
    pub fn key(mut self, key: impl Into<Arg>) -> Self {
        let key = key.into();
        if let (ClusterHash::Random, Some(bytes)) = (&self.route, key.as_bytes()) {
            self.route = ClusterHash::Custom(fred::util::redis_keyslot(bytes));
        }
        self.args.push(key);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<Arg>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sends the command to the node that owns `key`, without naming it: for commands about the
    /// node itself.
    #[must_use]
    pub fn to_owner_of(mut self, key: &str) -> Self {
        self.route = ClusterHash::Custom(fred::util::redis_keyslot(key.as_bytes()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_to_the_node_of_its_first_key() {
        let slot = fred::util::redis_keyslot(b"3");
        let command =
            Command::new("FCALL").arg("place_order_v1").arg(2).key("identity:{3}").key("due:{4}");
        assert_eq!(command.route, ClusterHash::Custom(slot));
        assert_eq!(Command::new("TIME").to_owner_of("due:{3}").route, ClusterHash::Custom(slot));
        assert_eq!(Command::new("PING").route, ClusterHash::Random);
    }
}
