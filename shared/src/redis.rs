//! The one place that knows `fred`, and with it every rule that makes this client safe to use.
//!
//! * Every command goes out as a custom, non-blocking one. `fred` takes its typed `FCALL` for a
//!   blocking command and then never notices that the server stopped answering.
//! * No reply may be an array whose first element is a user's text: `fred` takes a short array led
//!   by `message` for a pub/sub push, drops it, and hands every later reply to the wrong caller. So
//!   functions answer integers first, and the first field that is read of a hash is a number.
//! * A command is sent once (`max_command_attempts`): a re-sent one could take effect twice.
//!   Whether a command that failed here took effect is unknown, and everything above is built for
//!   that.
//! * A blocking read has a client of its own ([`reader`](crate::redis::Redis::reader)) and is never cancelled: the
//!   entries of a cancelled read would stay in its name without anybody handling them.
//! * A client that got no answer for [`STUCK_AFTER`](crate::redis::STUCK_AFTER) is thrown away and
//!   built anew, whatever it believes of itself.
//! * The client follows no redirection of a cluster: it would ask the wrong node after `ASK`, and end
//!   by it. Who is redirected is refused, has done nothing, and asks again (`slots`).
//! * Behind Sentinel the primary is looked up for each new connection. One that has become a replica
//!   (`READONLY`) is left at once, and one that is deposed and goes on is left when a Sentinel says
//!   so.
//! * The library tells in events why it cannot connect, and lets commands time out. So the error of a
//!   command takes its reason from there (`error::reason`), and the log tells it once (`report`).

mod command;
mod connection;
mod entry;
mod error;
mod gate;
mod probe;
mod replica_gate;
mod reply;
mod report;
mod sentinel;
mod slots;
mod url;
mod watchdog;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::redis::connection::Connection;
use crate::redis::gate::ConfirmKey;
use crate::redis::report::Report;
use crate::redis::watchdog::Watchdog;

pub use crate::redis::command::{Arg, Command};
pub use crate::redis::entry::{Cut, Entry, KEPT_BYTES, MAX_ENTRY_BYTES};
pub use crate::redis::error::{Code, RedisError};
pub use crate::redis::replica_gate::ReplicaAcks;
pub(crate) use crate::redis::reply::info_field;
pub use crate::redis::reply::{Reply, UnexpectedReply};
pub use crate::redis::url::RedisUrl;
pub(crate) use crate::redis::url::is_same_store;
pub use crate::redis::watchdog::STUCK_AFTER;

/// Longest wait for an ordinary command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
/// What a blocking read may take beyond its `BLOCK`.
const READ_MARGIN: Duration = Duration::from_secs(1);

/// A client of one Redis store. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
    acks: ReplicaAcks,
}

struct Inner {
    url: RedisUrl,
    timeout: Duration,
    connection: ArcSwap<Connection>,
    watchdog: Watchdog,
    report: Arc<Report>,
    /// What the Sentinel that was asked last gave for an answer, if that was of no use.
    sentinel_trouble: Mutex<Option<String>>,
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

    /// The same client, which waits for these replicas in [`Redis::run_confirmed`].
    #[must_use]
    pub fn with_acks(self, acks: ReplicaAcks) -> Self {
        Self { acks, ..self }
    }

    fn connect(url: &RedisUrl, timeout: Duration) -> Self {
        let inner = Inner {
            url: url.clone(),
            timeout,
            connection: ArcSwap::from_pointee(Connection::open(url, timeout)),
            watchdog: Watchdog::new(),
            report: Report::about(url),
            sentinel_trouble: Mutex::default(),
        };
        let inner = Arc::new(inner);
        sentinel::watch(&inner);
        Self {
            inner,
            acks: ReplicaAcks::NONE,
        }
    }

    /// Whether it is a client of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.inner.url.is_cluster()
    }

    /// Sends a command and waits for its reply, at most as long as the kind of this client allows.
    pub async fn run(&self, command: Command) -> Result<Reply, RedisError> {
        if self.inner.url.is_cluster() {
            return slots::run_until_slot_rests(self, command, false).await;
        }
        self.inner
            .run(&self.inner.connection.load_full(), command)
            .await
    }

    /// The same, and answers only what a failover will not undo: what the command wrote, and what
    /// it read, is with as many replicas as this client waits for. An error says that nobody knows
    /// whether the change was made, or will last.
    pub async fn run_confirmed(&self, command: Command) -> Result<Reply, RedisError> {
        if self.inner.url.is_cluster() {
            return slots::run_until_slot_rests(self, command, true).await;
        }
        self.run_confirmed_once(command).await
    }

    async fn run_once(&self, command: Command) -> Result<Reply, RedisError> {
        self.inner
            .run(&self.inner.connection.load_full(), command)
            .await
    }

    async fn run_confirmed_once(&self, command: Command) -> Result<Reply, RedisError> {
        let connection = self.inner.connection.load_full();
        let waits = self.acks.count > 0;
        let connections = if waits {
            connection.connections_made()
        } else {
            0
        };
        let key = if waits && self.inner.url.is_cluster() {
            ConfirmKey::of(&command)
        } else {
            None
        };
        let reply = self.inner.run(&connection, command).await?;
        // Where nothing was there, nothing follows from it.
        if waits && !reply.is_null() {
            Box::pin(self.acks.confirm(&connection, connections, key)).await?;
        }
        Ok(reply)
    }
}

impl Inner {
    async fn run(
        &self,
        connection: &Arc<Connection>,
        command: Command,
    ) -> Result<Reply, RedisError> {
        let (sent_ms, is_attempt) = (self.watchdog.now_ms(), command.is_attempt);
        match connection.send(command).await {
            Ok(reply) => {
                self.watchdog.answered();
                self.report.reached();
                Ok(reply)
            }
            Err(error) if error.is_answer() => {
                self.watchdog.answered();
                if !is_attempt {
                    self.tell(&error);
                }
                Err(error)
            }
            Err(error) => {
                self.watch(connection, sent_ms);
                self.tell(&error);
                if error.is_no_primary() {
                    connection.leave();
                    return Err(error);
                }
                Err(self.explain(connection, error))
            }
        }
    }

    /// Writes to the log what the store refuses, for all callers.
    fn tell(&self, error: &RedisError) {
        if let RedisError::Unavailable { code, message } = error
            && code.did_nothing()
            && *code != Code::TryAgain
        {
            self.report.refuses(message);
        }
    }

    /// A command that was not answered for want of a connection failed for the reason that there is
    /// none.
    fn explain(&self, connection: &Connection, error: RedisError) -> RedisError {
        let RedisError::Unavailable { code, message } = error else {
            return error;
        };
        let Some(mut reason) = connection.trouble() else {
            let message = format!("{}: {message}", self.url);
            return RedisError::Unavailable { code, message };
        };
        let sentinel = self
            .sentinel_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(sentinel) = &*sentinel {
            reason = format!("{reason}; {sentinel}");
        }
        self.report.away(&reason);
        RedisError::unknown(format!("{} cannot be reached: {reason}", self.url))
    }

    fn replace(&self) {
        self.connection
            .store(Arc::new(Connection::open(&self.url, self.timeout)));
    }

    /// Replaces a client that is stuck. What it still owes an answer fails with it.
    fn watch(&self, connection: &Arc<Connection>, sent_ms: u64) {
        // It was sent by a client that is gone already.
        if !Arc::ptr_eq(&self.connection.load(), connection) {
            return;
        }
        if let Some(times) = self.watchdog.failed(sent_ms) {
            self.replace();
            if times.is_power_of_two() {
                let store = &self.url;
                tracing::warn!(%store, times, "no answer for {STUCK_AFTER:?}: a new client takes over");
            }
        }
    }
}
