//! Answers only what replicas have: `WAIT` after a command, on the connection that command took.
//!
//! * Redis answers `WAIT` for the connection it comes over: a write that went over an earlier one
//!   may have reached a server that is no primary any more. The client connects anew without a
//!   word, so connections are counted, and what lies on both sides of a new one is not confirmed.
//! * `WAIT` looks back to the last write of its connection, and not at what was only read there,
//!   not even by a consumer group whose blocked read was served. (Redis counts the next command of
//!   any kind; Valkey does not, and `PING` changes nothing.) So a message that nobody listens to
//!   goes before it: a message is copied to replicas, and kept by nobody. A cluster copies messages
//!   in another way; there, an empty value is written. It has a key in the partition that is asked
//!   about, so that it goes where the command went, or is refused because the slot has moved on.
//! * `WAIT` holds up its connection. One at a time covers everything that was answered before it
//!   was sent, however many wait for it.

use std::time::Duration;

use crate::redis::command::Command;
use crate::redis::connection::Connection;
use crate::redis::error::RedisError;
use crate::redis::gate::{ConfirmKey, MARK};

/// How many replicas must have a change before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaAcks {
    /// The number of replicas; 0 turns it off.
    pub count: u32,
    /// The longest wait for them.
    pub timeout: Duration,
}

impl ReplicaAcks {
    /// Nobody is waited for.
    pub const NONE: Self = Self {
        count: 0,
        timeout: Duration::ZERO,
    };

    /// Waits until replicas have what `connection` answered since it had made so many `connections`.
    /// After any failure nobody knows whether the change will last. Trying again finds out.
    pub(super) async fn confirm(
        self,
        connection: &Connection,
        connections: usize,
        key: Option<ConfirmKey>,
    ) -> Result<(), RedisError> {
        let gate = connection.gates.of(key.as_ref());
        let confirmed = gate.pass(|| self.wait(connection, key)).await?;
        // What was sent before there was a connection went over the first one.
        if confirmed == connections.max(1) {
            return Ok(());
        }
        Err(unconfirmed("the connection was made anew in between"))
    }

    /// Asks the server, and answers for which connection it spoke.
    async fn wait(
        self,
        connection: &Connection,
        key: Option<ConfirmKey>,
    ) -> Result<usize, RedisError> {
        let Self { count, timeout } = self;
        // 0 would wait for ever.
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
        // They are sent in this order, without a pause.
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
            return Err(unconfirmed("the connection was made anew meanwhile"));
        }
        Ok(after)
    }
}

fn unconfirmed(reason: impl std::fmt::Display) -> RedisError {
    RedisError::unknown(format!("not confirmed by replicas: {reason}"))
}
