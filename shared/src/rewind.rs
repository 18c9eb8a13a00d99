//! Acting once more on the recent past of a stream, after the own store began a new life.
//!
//! A store that was restarted without its last writes, or failed over, may have forgotten effects
//! that are acknowledged already. No redelivery would ever bring them back. Effects are idempotent,
//! so the remedy is to repeat them.

use std::time::{Duration, Instant};

use crate::consumer::BATCH;
use crate::delivery::Handler;
use crate::group::BEGINNING;
use crate::redis::{Command, RedisError};
use crate::settle::Settler;

/// How much of the stream is acted on again. The owner of the stream keeps entries at least this
/// long.
pub const REWIND: Duration = Duration::from_mins(10);
/// Pause between two looks at whether the own store was restarted.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Where it is kept up to which life of the own store everything was acted on.
pub(crate) const EPOCH: &str = "epoch";

/// Watches over the lives of the own store.
#[derive(Debug)]
pub(crate) struct Rewind {
    check_at: Instant,
    pass: Option<Pass>,
    /// The life for which a pass was finished; the store may have had no room to remember it.
    done: Option<String>,
}

/// One reading of the recent past.
#[derive(Debug)]
struct Pass {
    next: String,
    last: String,
    /// The life of the store for which it is made; `None` when it is made for another reason.
    epoch: Option<String>,
}

impl Rewind {
    pub(crate) fn new() -> Self {
        Self { check_at: Instant::now(), pass: None, done: None }
    }

    /// Looks at the store again in the next round.
    pub(crate) fn check_soon(&mut self) {
        self.check_at = Instant::now();
    }

    pub(crate) fn is_under_way(&self) -> bool {
        self.pass.is_some()
    }

    /// Begins a pass where the store has a new life, or goes on with one, a batch each time.
    pub(crate) async fn step<H: Handler>(
        &mut self,
        settler: &Settler<H>,
    ) -> Result<(), RedisError> {
        if self.is_under_way() {
            return self.advance(settler).await;
        }
        if Instant::now() < self.check_at {
            return Ok(());
        }
        let epoch = settler.own_store.epoch(settler.partition).await?;
        self.check_at = Instant::now() + CHECK_INTERVAL;
        if self.done.as_ref() == Some(&epoch) {
            return Ok(());
        }
        let get = Command::new("GET").key(settler.partition.key(EPOCH));
        let stored = settler.own_store.run(get).await?;
        if !stored.is_null() && stored.text()? == epoch {
            self.done = Some(epoch);
            return Ok(());
        }
        self.begin(settler, Some(epoch)).await
    }

    /// Begins a pass over the last [`REWIND`] of what the group was given. The rest is still to
    /// come by itself.
    pub(crate) async fn begin<H: Handler>(
        &mut self,
        settler: &Settler<H>,
        epoch: Option<String>,
    ) -> Result<(), RedisError> {
        let (membership, store) = (&settler.membership, &settler.stream_store);
        let last = membership.last_delivered_id(store).await?;
        let rewind_ms = u64::try_from(REWIND.as_millis()).unwrap_or(u64::MAX);
        let next = format!("{}-0", milliseconds(&last).saturating_sub(rewind_ms));
        if last != BEGINNING {
            tracing::info!(
                stream = membership.stream,
                from = next,
                "acting on recent events again"
            );
        }
        self.pass = Some(Pass { next, last, epoch });
        Ok(())
    }

    async fn advance<H: Handler>(&mut self, settler: &Settler<H>) -> Result<(), RedisError> {
        let Some(pass) = &mut self.pass else {
            return Ok(());
        };
        let store = &settler.stream_store;
        let entries = settler.membership.range(store, &pass.next, &pass.last, BATCH).await?;
        if let Some(last) = entries.last() {
            let next = format!("({}", last.id);
            settler.repeat(entries).await?;
            pass.next = next;
            return Ok(());
        }
        // The epoch is remembered only now: a crash during the pass begins it anew.
        if let Some(epoch) = &pass.epoch {
            let set = Command::new("SET").key(settler.partition.key(EPOCH)).arg(epoch.as_str());
            match settler.own_store.run(set).await {
                // Without room to remember it, the next start makes one pass more than it needs.
                Err(error) if !error.is_full() => return Err(error),
                _ => self.done = Some(epoch.clone()),
            }
        }
        self.pass = None;
        Ok(())
    }
}

/// The milliseconds of an entry id.
fn milliseconds(id: &str) -> u64 {
    id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0)
}
