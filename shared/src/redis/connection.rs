//! One client of the library `fred`, with the settings that make it fail in time and reconnect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fred::error::Error;
use fred::interfaces::{ClientLike, ClusterInterface, EventInterface};
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectPolicy, Server, ServerConfig, TcpConfig,
    UnresponsiveConfig,
};
use fred::types::{ClusterHash, ConnectHandle, CustomCommand, RespVersion};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::base::gate::Gates;
use crate::redis::command::{Arg, Command};
use crate::redis::confirm_key::ConfirmKey;
use crate::redis::error::{RedisError, reason};
use crate::redis::reply::Reply;
use crate::redis::url::RedisUrl;

/// Longest wait for a connection, and for each answer while it is set up. It is as long as the
/// timeout of a command. So a server that is back is found before a second command times out.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// `fred` closes a quiet connection that owes an answer for this long. On a busy connection it does
/// not notice a missing answer; the watchdog does.
const UNRESPONSIVE_AFTER: Duration = Duration::from_secs(3);
/// First and longest wait between two attempts to connect, in milliseconds.
const RECONNECT_MS: (u32, u32) = (50, 1_000);
/// Shortest time between two attempts to find another primary.
const LEAVE_PAUSE: Duration = Duration::from_millis(50);
/// Most commands that wait for the connection. More are refused at once, so that a stalled store
/// does not fill the memory of this process.
const MAX_QUEUED_COMMANDS: usize = 10_000;

pub(super) struct Connection {
    client: fred::clients::Client,
    task: ConnectHandle,
    /// Holds one message for each connection that was made, sent before the first command on that
    /// connection. The messages are counted and never received.
    made: Receiver<Server>,
    /// The errors of the attempts to connect. They are read only after a command has failed.
    attempts: Mutex<Attempts>,
    /// The client is looking for another primary.
    is_leaving: Arc<AtomicBool>,
    /// Joins the commands that wait for replicas: one gate, or in a cluster one for each partition.
    pub(super) gates: Gates<Option<ConfirmKey>, Result<usize, RedisError>>,
}

struct Attempts {
    errors: Receiver<(Error, Option<Server>)>,
    last: Option<String>,
}

impl Connection {
    pub(super) fn open(url: &RedisUrl, timeout: Duration) -> Self {
        let mut config = Config::from_url(url.reveal()).unwrap_or_default();
        // `fred` asks the first Sentinel that answers, even one that has not heard of the failover.
        // It also forgets Sentinels that the others do not name. So each client shuffles the list.
        if let ServerConfig::Sentinel { hosts, .. } = &mut config.server {
            fastrand::shuffle(hosts);
        }
        Self::to(config, timeout)
    }

    pub(super) fn to(mut config: Config, timeout: Duration) -> Self {
        // RESP2 carries the same answers as RESP3, and is parsed in half the time.
        config.version = RespVersion::RESP2;
        config.fail_fast = false;
        let connection = ConnectionConfig {
            connection_timeout: CONNECT_TIMEOUT,
            internal_command_timeout: CONNECT_TIMEOUT,
            max_command_attempts: 1,
            max_redirections: 0,
            // The check needs more rights, and would refuse a cluster of which some nodes are down.
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
        // 0 means no limit: the client tries to connect until the store is back.
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

    /// Sends a command and waits for its answer. The raw frame of the answer is used, because the
    /// conversion of `fred` would copy all of it once more.
    pub(super) async fn send(&self, command: Command) -> Result<Reply, RedisError> {
        // `fred` ignores any other kind of route for a custom command.
        let slot = if self.client.is_clustered() {
            command.slot()
        } else {
            None
        };
        let route = slot.map_or(ClusterHash::Random, ClusterHash::Custom);
        let custom = CustomCommand::new_static(command.name, route, false);
        // The future of `fred` has 5 KB. Without the box, each future that awaits a command would
        // too.
        let answer = Box::pin(self.client.custom_raw::<Arg>(custom, command.args)).await;
        Reply::try_from(answer?)
    }

    /// Why the client is not connected: the error of the last attempt. `None` while it is
    /// connected, and before the first attempt has ended.
    pub(super) fn trouble(&self) -> Option<String> {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match attempts.errors.try_recv() {
                Ok((error, _)) => attempts.last = Some(reason::of(&error)),
                // The next call receives the oldest error that is still there.
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if self.client.is_connected() {
            attempts.last = None;
        }
        attempts.last.clone()
    }

    /// Leaves a server that is not a primary, or not yet, and looks for the primary. If `fred` left
    /// the server by itself, it would fail all commands in flight with the same error, also
    /// commands that were served. With this function each command gets its own answer, or none.
    pub(super) fn leave(&self) {
        if self.is_leaving.swap(true, Ordering::Relaxed) {
            return;
        }
        let (client, is_leaving) = (self.client.clone(), self.is_leaving.clone());
        tokio::spawn(async move {
            // In a cluster the connections to the other nodes stay.
            let _ = if client.is_clustered() {
                client.sync_cluster().await
            } else {
                client.force_reconnection().await
            };
            tokio::time::sleep(LEAVE_PAUSE).await;
            is_leaving.store(false, Ordering::Relaxed);
        });
    }

    /// Whether the client is connected to another server than this one.
    pub(super) fn is_elsewhere(&self, server: &Server) -> bool {
        self.client
            .active_connections()
            .first()
            .is_some_and(|found| found != server)
    }

    /// How many connections to servers were made so far. If the number is the same before and after
    /// some commands, all of them went over one connection.
    pub(super) fn connections_made(&self) -> usize {
        self.made.len()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
