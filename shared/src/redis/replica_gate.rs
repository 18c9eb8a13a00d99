//! Confirms that replicas have the effect of a command, by a `WAIT` on the connection of the
//! command.
//!
//! * `WAIT` covers only writes on its own connection. A write on an earlier connection may have
//!   reached a server that is no longer a primary. `fred` reconnects silently, so connections are
//!   counted. If a new connection was made between command and `WAIT`, the command counts as not
//!   confirmed.
//! * `WAIT` looks back to the last write on its connection. It does not cover a read, and not even
//!   a blocked `XREADGROUP` that was served. (On Redis the next command of any kind moves the point
//!   that `WAIT` looks back to. On Valkey only a write does: a `PING` does not help.) So each
//!   `WAIT` follows a write that leaves nothing behind: a `PUBLISH` to a channel without
//!   subscribers, which is sent to replicas and not stored.
//! * A cluster does not copy messages to replicas in that way, so there an empty value is written.
//!   Its key is in the partition of the command. So the write reaches the same node, or is refused
//!   because the slot has moved.
//! * `WAIT` blocks its connection. So only one runs at a time, and it covers every command that was
//!   answered before the `WAIT` was sent.

use std::time::Duration;

use crate::redis::command::Command;
use crate::redis::confirm_key::{ConfirmKey, MARK};
use crate::redis::connection::Connection;
use crate::redis::error::RedisError;

/// How many replicas must have a change before a client gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaAcks {
    /// The number of replicas; 0 turns it off.
    pub count: u32,
    /// The longest wait for them.
    pub timeout: Duration,
}

impl ReplicaAcks {
    /// Waits for no replica.
    pub const NONE: Self = Self {
        count: 0,
        timeout: Duration::ZERO,
    };

    /// Waits until replicas have everything that `connection` has answered so far. `connections` is
    /// the number of connections before the command was sent. After a failure it is unknown whether
    /// the change will last; another attempt finds out.
    pub(super) async fn confirm(
        self,
        connection: &Connection,
        connections: usize,
        key: Option<ConfirmKey>,
    ) -> Result<(), RedisError> {
        let wait = || self.wait(connection, key.clone());
        let confirmed = connection.gates.pass(key.clone(), wait).await?;
        // A command that was sent before there was a connection went over the first one.
        if confirmed == connections.max(1) {
            return Ok(());
        }
        Err(unconfirmed("the client connected anew before the WAIT"))
    }

    /// Asks the server, and answers the number of the connection that it confirmed.
    async fn wait(
        self,
        connection: &Connection,
        key: Option<ConfirmKey>,
    ) -> Result<usize, RedisError> {
        let Self { count, timeout } = self;
        // A timeout of 0 would wait for ever.
        let timeout_ms = i64::try_from(timeout.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let wait = Command::new("WAIT").arg(i64::from(count)).arg(timeout_ms);
        let (mark, wait) = match key {
            Some(ConfirmKey(key)) => {
                let wait = wait.to_owner_of(&key);
                (Command::new("SET").key(key).arg(""), wait)
            }
            None => (Command::new("PUBLISH").arg(MARK).arg(""), wait),
        };
        let before = connection.connections_made();
        // Both commands are sent in this order, before the first one is answered.
        let both = futures_util::future::join(connection.send(mark), connection.send(wait));
        let (mark, wait) = both.await;
        let replicas = mark.and(wait).map_err(unconfirmed)?;
        let replicas = replicas.unsigned().map_err(unconfirmed)?;
        if replicas < u64::from(count) {
            return Err(unconfirmed(format!(
                "{replicas} of {count} within {timeout:?}"
            )));
        }
        let after = connection.connections_made();
        if before != after {
            return Err(unconfirmed("the client connected anew during the WAIT"));
        }
        Ok(after)
    }
}

fn unconfirmed(reason: impl std::fmt::Display) -> RedisError {
    RedisError::unknown(format!("not confirmed by replicas: {reason}"))
}
