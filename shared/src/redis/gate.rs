//! A gate joins callers that wait for the same answer: one question is asked for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fred::util::redis_keyslot;

use crate::redis::command::{Arg, Command};
use crate::redis::error::RedisError;

/// The channel of the message before a `WAIT`; in a cluster, the prefix of the keys that are
/// written instead. No client subscribes to the channel or reads the keys.
pub(super) const MARK: &str = "confirm";

/// A key in the partition of a command to a cluster. The key chooses the node that is asked to
/// `WAIT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConfirmKey(pub(super) String);

/// The gates of one connection: one gate, or in a cluster one for each partition.
#[derive(Default)]
pub(super) struct Gates(Mutex<HashMap<Option<ConfirmKey>, Arc<Gate>>>);

/// Lets callers pass in rounds. One round covers all callers that came before it began.
#[derive(Default)]
pub(super) struct Gate {
    arrivals: AtomicU64,
    last: tokio::sync::Mutex<Round>,
}

/// The last round, and its answer.
struct Round {
    /// The number of the last caller that the round covers.
    covers: u64,
    /// The number of the connection that was confirmed.
    outcome: Result<usize, RedisError>,
}

impl ConfirmKey {
    /// The key to write for the confirmation of a command. It has the tag of the command's first
    /// key.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let slot = command.slot();
        let keys = command.args.iter().filter_map(Arg::as_str);
        let tags = keys.filter_map(|key| {
            let (tag, _) = key.split_once('{')?.1.split_once('}')?;
            Some(format!("{MARK}:{{{tag}}}"))
        });
        tags.into_iter()
            .find(|key| Some(redis_keyslot(key.as_bytes())) == slot)
            .map(Self)
    }
}

impl Gates {
    pub(super) fn of(&self, key: Option<&ConfirmKey>) -> Arc<Gate> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gates.entry(key.cloned()).or_default().clone()
    }
}

impl Gate {
    /// Waits for a round that began after this call, or runs that round with `ask`. If the caller
    /// that runs a round is cancelled, the next caller in the queue runs another round.
    pub(super) async fn pass<F>(&self, ask: impl FnOnce() -> F) -> Result<usize, RedisError>
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::error::Code;

    #[test]
    fn a_cluster_is_asked_in_the_partition_of_the_command() {
        let call = Command::new("FCALL")
            .arg("f{9}")
            .arg(1)
            .key("identity:{3}")
            .arg("{4}");
        assert_eq!(
            ConfirmKey::of(&call),
            Some(ConfirmKey("confirm:{3}".to_owned()))
        );
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
            Err(RedisError::unknown("no replica"))
        };
        let both = futures_util::future::join(gate.pass(failing), gate.pass(|| async { Ok(3) }));
        let (first, second) = both.await;
        assert!(matches!(
            first,
            Err(RedisError::Unavailable {
                code: Code::Unknown,
                ..
            })
        ));
        // It came after the round of the first had begun.
        assert_eq!(second.unwrap(), 3);
    }
}
