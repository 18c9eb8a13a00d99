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

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::connection::{Connection, route_of};
use super::{Arg, Command, RedisError};

/// Where the message goes, and what the keys in a cluster begin with. Nobody reads what is there.
pub(super) const MARK: &str = "confirm";

/// How many replicas must have a change before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaAcks {
    /// So many replicas; 0 turns it off.
    pub count: u32,
    /// The longest wait for them.
    pub timeout: Duration,
}

/// A key in the partition of a command to a cluster. `WAIT` is about one node, and this tells which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConfirmKey(String);

/// The gates of one connection: a single one, or in a cluster one for each partition.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<Option<ConfirmKey>, Arc<Gate>>>);

/// Lets the callers of one connection through in rounds.
#[derive(Default)]
struct Gate {
    arrivals: AtomicU64,
    last: tokio::sync::Mutex<Round>,
}

/// What became of the last round.
struct Round {
    /// Whoever arrived as this one, or before, is covered by it.
    covers: u64,
    /// The connection that was confirmed, by its number.
    outcome: Result<usize, RedisError>,
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

impl ConfirmKey {
    /// The key that is confirmed for a command: it has the tag of the first key of the command.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let keys = command.args.iter().filter_map(Arg::as_str);
        let tags = keys.filter_map(|key| {
            let (tag, _) = key.split_once('{')?.1.split_once('}')?;
            Some(format!("{MARK}:{{{tag}}}"))
        });
        tags.into_iter()
            .find(|key| route_of(key.as_bytes()) == command.route)
            .map(Self)
    }
}

impl Gates {
    fn of(&self, key: Option<&ConfirmKey>) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(key.cloned()).or_default().clone()
    }
}

impl Gate {
    /// Waits for a round that began after this call did, or runs it by `ask`. Who runs one and is
    /// cancelled leaves the next in the queue to run another.
    async fn pass<F>(&self, ask: impl FnOnce() -> F) -> Result<usize, RedisError>
    where
        F: Future<Output = Result<usize, RedisError>>,
    {
        let number = self.arrivals.fetch_add(1, Ordering::AcqRel) + 1;
        let mut last = self.last.lock().await;
        if last.covers < number {
            let covers = self.arrivals.load(Ordering::Acquire);
            *last = Round {
                covers,
                outcome: ask().await,
            };
        }
        last.outcome.clone()
    }
}

impl Default for Round {
    fn default() -> Self {
        Self {
            covers: 0,
            outcome: Ok(0),
        }
    }
}

fn unconfirmed(reason: impl std::fmt::Display) -> RedisError {
    RedisError::unknown(format!("not confirmed by replicas: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_asked_in_the_partition_of_the_command() {
        let call = Command::new("FCALL")
            .arg("f{9}")
            .arg(1)
            .key("identity:{3}")
            .arg("{4}");
        assert_eq!(ConfirmKey::of(&call), Some(ConfirmKey("confirm:{3}".to_owned())));
        assert_eq!(ConfirmKey::of(&Command::new("GET").key("epoch")), None);
    }

    #[tokio::test]
    async fn everybody_who_came_before_a_round_began_is_covered_by_it() {
        let (gate, rounds) = (Arc::new(Gate::default()), Arc::new(AtomicU64::new(0)));
        let passing = (0..100).map(|_| {
            let (gate, rounds) = (gate.clone(), rounds.clone());
            tokio::spawn(async move {
                let round = || async {
                    tokio::task::yield_now().await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                    Ok(7)
                };
                gate.pass(round).await
            })
        });
        for passed in futures_util::future::join_all(passing).await {
            assert_eq!(passed.unwrap().unwrap(), 7);
        }
        let rounds = rounds.load(Ordering::Relaxed);
        assert!((1..=2).contains(&rounds), "{rounds}");
    }

    #[tokio::test]
    async fn who_comes_later_is_not_covered_and_failures_are_shared() {
        let gate = Gate::default();
        assert_eq!(gate.pass(|| async { Ok(1) }).await.unwrap(), 1);
        assert_eq!(gate.pass(|| async { Ok(2) }).await.unwrap(), 2);
        let failing = || async {
            tokio::task::yield_now().await;
            Err(unconfirmed("no replica"))
        };
        let both = futures_util::future::join(gate.pass(failing), gate.pass(|| async { Ok(3) }));
        let (first, second) = both.await;
        assert!(matches!(first, Err(RedisError::Unavailable { .. })));
        // It came after the round of the first had begun.
        assert_eq!(second.unwrap(), 3);
    }
}
