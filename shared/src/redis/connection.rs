//! One client of the library, with every setting that makes it fail in time and come back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::error::Error;
use fred::interfaces::{ClientLike, ClusterInterface, EventInterface};
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig,
    UnresponsiveConfig,
};
use fred::types::{ConnectHandle, CustomCommand, RespVersion};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::redis::command::{Arg, Command};
use crate::redis::error::{RedisError, reason};
use crate::redis::gate::Gates;
use crate::redis::reply::Reply;
use crate::redis::url::RedisUrl;

/// Longest wait for a connection, and for each answer of the greeting on it. As long as that of a
/// command, so that a server that is back is found before a client gives up on a second command.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// An otherwise quiet connection that owes an answer for this long is closed. The client does not
/// notice it on a busy one; there, the watchdog does.
const UNRESPONSIVE_AFTER: Duration = Duration::from_secs(3);
/// First and longest wait between two attempts to connect, in milliseconds.
const RECONNECT_MS: (u32, u32) = (50, 1_000);
/// Shortest time between two looks for another primary.
const LEAVE_PAUSE: Duration = Duration::from_millis(50);
/// Commands that may wait for the connection; more are refused at once, so that a stalled store
/// cannot fill the memory.
const MAX_QUEUED_COMMANDS: usize = 10_000;

pub(super) struct Connection {
    client: fred::clients::Client,
    task: ConnectHandle,
    /// One message for each connection to a server, sent before the first command goes over it.
    /// They are counted and never received.
    made: Receiver<Server>,
    /// What the client met while it tried to connect. Looked at only where a command failed.
    attempts: Mutex<Attempts>,
    /// It is about to leave the server that it has.
    is_leaving: Arc<AtomicBool>,
    pub(super) gates: Gates,
}

struct Attempts {
    errors: Receiver<(Error, Option<Server>)>,
    last: Option<String>,
}

impl Connection {
    pub(super) fn open(url: &RedisUrl, timeout: Duration) -> Self {
        let mut config = Config::from_url(url.reveal()).unwrap_or_default();
        // The library asks the first Sentinel that answers, even if it is the one that has not heard
        // of the failover, and forgets those that the others do not name. So each client begins
        // elsewhere in the list it was told.
        if let ServerConfig::Sentinel { hosts, .. } = &mut config.server {
            fastrand::shuffle(hosts);
        }
        Self::to(config, timeout)
    }

    pub(super) fn to(mut config: Config, timeout: Duration) -> Self {
        // The older protocol says the same and is read in half the time.
        config.version = RespVersion::RESP2;
        config.fail_fast = false;
        let connection = ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: CONNECT_TIMEOUT,
            max_command_attempts: 1,
            max_redirections: 0,
            // It asks for more rights, and refuses to work with those nodes that are there.
            disable_cluster_health_check: true,
            max_command_buffer_len: MAX_QUEUED_COMMANDS,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(UNRESPONSIVE_AFTER.max(timeout)),
                interval: UNRESPONSIVE_AFTER / 3,
            },
            tcp: TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            },
            ..ConnectionConfig::default()
        };
        let performance = PerformanceConfig {
            default_command_timeout: timeout,
            ..PerformanceConfig::default()
        };
        // No limit on attempts: a store that comes back finds its clients waiting.
        let policy = ReconnectPolicy::new_exponential(0, RECONNECT_MS.0, RECONNECT_MS.1, 2);
        let client =
            fred::clients::Client::new(config, Some(performance), Some(connection), Some(policy));
        let made = client.reconnect_rx();
        let attempts = Mutex::new(Attempts {
            errors: client.error_rx(),
            last: None,
        });
        let task = client.connect();
        Self {
            client,
            task,
            made,
            attempts,
            is_leaving: Arc::default(),
            gates: Gates::default(),
        }
    }

    /// Sends a command and waits for its answer. The frame of the answer is taken as it is: what the
    /// library would make of it is a second copy of everything.
    pub(super) async fn send(&self, command: Command) -> Result<Reply, RedisError> {
        let custom = CustomCommand::new_static(command.name, command.route, false);
        // The future of the library has 5 KB, which everything that awaits a command would carry along.
        let answer = Box::pin(self.client.custom_raw::<Arg>(custom, command.args)).await;
        Reply::try_from(answer?)
    }

    /// Why it is not connected: what the last attempt met. `None` while it is, or before the first
    /// attempt has ended.
    pub(super) fn trouble(&self) -> Option<String> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match attempts.errors.try_recv() {
                Ok((error, _)) => attempts.last = Some(reason::of(&error)),
                // It goes on with the oldest that is still there.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if self.client.is_connected() {
            attempts.last = None;
        }
        attempts.last.clone()
    }

    /// Looks for the primary anew: the server behind this connection is not one, or not yet. Where the
    /// library leaves a server by itself, it gives the answer that made it do so to all commands on
    /// their way, also to those that were served; here each gets its own answer, or none.
    pub(super) fn leave(&self) {
        if self.is_leaving.swap(true, Ordering::Relaxed) {
            return;
        }
        let (client, is_leaving) = (self.client.clone(), self.is_leaving.clone());
        tokio::spawn(async move {
            // In a cluster the other nodes go on meanwhile.
            let _ = if client.is_clustered() {
                client.sync_cluster().await
            } else {
                client.force_reconnection().await
            };
            tokio::time::sleep(LEAVE_PAUSE).await;
            is_leaving.store(false, Ordering::Relaxed);
        });
    }

    /// Whether it is connected, and to another server than this one.
    pub(super) fn is_elsewhere(&self, server: &Server) -> bool {
        self.client
            .active_connections()
            .first()
            .is_some_and(|found| found != server)
    }

    /// How many connections to servers were made up to now. Commands before and after which it is
    /// the same went over the same connection.
    pub(super) fn connections_made(&self) -> usize {
        self.made.len()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
