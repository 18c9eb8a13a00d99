//! The client of a Redis server, of a Sentinel system or of a cluster. No other module uses the
//! library `fred`. These rules make `fred` safe to use:
//!
//! * Every command is sent as a custom, non-blocking command. `fred` treats its own typed `FCALL`
//!   as blocking, and then does not notice that the server stopped answering.
//! * No reply may be an array whose first element is a user's text. `fred` takes a short array that
//!   begins with `message` for a pub/sub push, drops it, and gives each later reply to the wrong
//!   caller. So functions answer integers first, and the first field read of a hash is a number.
//! * A command is sent once (`max_command_attempts`), because a command sent twice could take
//!   effect twice. After most failures it is unknown whether the command took effect. Callers must
//!   cope with that.
//! * A blocking read has a client of its own ([`reader`](crate::redis::Redis::reader)) and is never
//!   cancelled. The entries of a cancelled read would stay pending, and no task would handle them.
//! * A client that got no answer for [`STUCK_AFTER`] is replaced by a
//!   new one, even if it reports that it is connected.
//! * `fred` may follow no redirection of a cluster: after `ASK` it would ask the wrong node, and
//!   then stop working. A redirected command has done nothing, so it is sent again (`slots`).
//! * Behind Sentinel, the primary is looked up for each new connection. The client leaves a server
//!   that answers `READONLY` at once. It leaves a deposed primary when a Sentinel names another
//!   one.
//! * `fred` reports in events why it cannot connect, while the commands time out. So the error of a
//!   command takes its reason from these events (`error::reason`), and the log has it once
//!   (`report`).

mod command;
mod confirm_key;
mod connection;
mod entry;
mod error;
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

use crate::redis::confirm_key::ConfirmKey;
use crate::redis::connection::Connection;
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

/// Longest wait for the answer to an ordinary command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the answer of a blocking read may take beyond its `BLOCK`.
const READ_MARGIN: Duration = Duration::from_secs(1);

/// A client of one Redis store. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
    acks: ReplicaAcks,
}

/// A reply, and whether the replicas have confirmed what the command wrote or read.
pub type Confirmed = (Reply, Result<(), RedisError>);

struct Inner {
    url: RedisUrl,
    timeout: Duration,
    connection: ArcSwap<Connection>,
    watchdog: Watchdog,
    report: Arc<Report>,
    /// Why the last answer of a Sentinel was of no use; `None` after a good answer.
    sentinel_trouble: Mutex<Option<String>>,
}

impl Redis {
    /// A client for commands that answer at once. It connects in the background, and tries until it
    /// succeeds.
    pub fn worker(url: &RedisUrl) -> Self {
        Self::connect(url, COMMAND_TIMEOUT)
    }

    /// A client for one blocking reader, whose reads block for at most `block`.
    pub fn reader(url: &RedisUrl, block: Duration) -> Self {
        Self::connect(url, block + READ_MARGIN)
    }

    /// A client for commands that are of no use after `limit`, such as reads of a cache.
    pub fn within(url: &RedisUrl, limit: Duration) -> Self {
        Self::connect(url, limit)
    }

    /// Makes [`Redis::run_confirmed`] wait for these replicas.
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

    /// Whether this is a client of a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.inner.url.is_cluster()
    }

    /// Sends a command and waits for its reply: up to [`COMMAND_TIMEOUT`], up to the limit of
    /// [`within`](Redis::within), or for a [`reader`](Redis::reader) up to its `BLOCK` and 1 s.
    pub async fn run(&self, command: Command) -> Result<Reply, RedisError> {
        if self.inner.url.is_cluster() {
            return slots::run_until_slot_rests(|| self.run_once(command.clone())).await;
        }
        self.inner
            .run(&self.inner.connection.load_full(), command)
            .await
    }

    /// Like [`Redis::run`], but answers only what a failover will not undo. Before it answers, the
    /// replicas that this client waits for have confirmed what the command wrote or read. After an
    /// error it is unknown whether the change was made, and whether a failover would undo it.
    pub async fn run_confirmed(&self, command: Command) -> Result<Reply, RedisError> {
        let (reply, confirmed) = self.run_and_confirm(command).await?;
        confirmed.map(|()| reply)
    }

    /// Like [`Redis::run_confirmed`], but answers the reply as well if the replicas did not confirm
    /// it. The caller then knows what it has to look for later.
    pub async fn run_and_confirm(&self, command: Command) -> Result<Confirmed, RedisError> {
        if self.inner.url.is_cluster() {
            return slots::run_until_slot_rests(|| self.confirmed_once(command.clone())).await;
        }
        self.confirmed_once(command).await
    }

    async fn run_once(&self, command: Command) -> Result<Reply, RedisError> {
        self.inner
            .run(&self.inner.connection.load_full(), command)
            .await
    }

    async fn confirmed_once(&self, command: Command) -> Result<Confirmed, RedisError> {
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
        // A null reply needs no confirmation, because a caller acts on nothing.
        let confirmed = if waits && !reply.is_null() {
            Box::pin(self.acks.confirm(&connection, connections, key)).await
        } else {
            Ok(())
        };
        Ok((reply, confirmed))
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

    /// Logs a refusal of the store, so that no caller has to. `TRYAGAIN` is not logged: the command
    /// is sent again.
    fn tell(&self, error: &RedisError) {
        if let RedisError::Unavailable { code, message } = error
            && code.did_nothing()
            && *code != Code::TryAgain
        {
            self.report.refuses(message);
        }
    }

    /// If the client has no connection, replaces the error of a command by the reason for that.
    fn explain(&self, connection: &Connection, error: RedisError) -> RedisError {
        let RedisError::Unavailable { code, message } = error else {
            return error;
        };
        // The outcome of a command that was not sent is known, in any state of the connection.
        let trouble = connection.trouble().filter(|_| code != Code::Crowded);
        let Some(mut reason) = trouble else {
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

    /// Replaces a client that is stuck. The commands that still wait for its answers fail.
    fn watch(&self, connection: &Arc<Connection>, sent_ms: u64) {
        // The command was sent by a client that was already replaced.
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
