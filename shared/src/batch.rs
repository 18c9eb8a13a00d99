//! Group commit: whatever waits for the store at the same moment goes there in one call.
//!
//! An item that finds no call under way starts one at once, so nobody waits for company. What comes
//! while a call is under way waits for its end, and then goes together: the busier a store is, the
//! larger the batches are, and the less each item costs.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::id::Partition;
use crate::redis::RedisError;

/// Calls of one partition that may be under way at the same time. With more of them, batches would
/// be smaller.
const MAX_CALLS: usize = 1;
/// Items that may wait in one partition; more are refused at once, so that a stalled store cannot
/// fill the memory.
pub const MAX_WAITING: usize = 10_000;

/// Calls one function for all items that wait in a partition. Cheap to clone.
pub struct Batcher<Item, Answer>(Arc<Inner<Item, Answer>>);

struct Inner<Item, Answer> {
    call: Box<dyn Fn(Partition, Vec<Item>) -> Calling<Answer> + Send + Sync>,
    limit: usize,
    lanes: Mutex<BTreeMap<Partition, Lane<Item, Answer>>>,
}

type Calling<Answer> = Pin<Box<dyn Future<Output = Result<Vec<Answer>, RedisError>> + Send>>;
type Submitter<Answer> = oneshot::Sender<Result<Answer, RedisError>>;

/// What waits in one partition.
struct Lane<Item, Answer> {
    waiting: VecDeque<(Item, Submitter<Answer>)>,
    calls: usize,
}

impl<Item: Send + 'static, Answer: Send + 'static> Batcher<Item, Answer> {
    /// Hands at most `limit` items at a time to `call`, which answers as many, in their order.
    pub fn new<F>(
        limit: usize,
        call: impl Fn(Partition, Vec<Item>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<Answer>, RedisError>> + Send + 'static,
    {
        let call = Box::new(move |partition, items| call(partition, items).boxed());
        Self(Arc::new(Inner { call, limit: limit.max(1), lanes: Mutex::default() }))
    }

    /// Hands over an item with whatever else waits in its partition, and waits for its answer. An
    /// error of the call is that of everybody in it. Who no longer waits disturbs nobody: the item
    /// is handed over all the same.
    pub async fn submit(&self, partition: Partition, item: Item) -> Result<Answer, RedisError> {
        let (submitter, answer) = oneshot::channel();
        {
            let mut lanes = self.0.lanes();
            let lane = lanes.entry(partition).or_default();
            if lane.waiting.len() >= MAX_WAITING {
                return Err(RedisError::Unavailable("too much waits for it already".to_owned()));
            }
            lane.waiting.push_back((item, submitter));
            if lane.calls < MAX_CALLS {
                lane.calls += 1;
                // A task of its own, because this one ends with its client. It is the next that
                // this thread runs.
                tokio::spawn(self.0.clone().work_off(partition));
            }
        }
        let lost = |_| RedisError::Unavailable("nobody knows what became of a batch".to_owned());
        answer.await.map_err(lost)?
    }
}

impl<Item, Answer> Inner<Item, Answer> {
    /// Calls until nothing waits any more. A call that panics or answers the wrong number lets go of
    /// its submitters, and the next one goes on.
    async fn work_off(self: Arc<Self>, partition: Partition) {
        while let Some((items, submitters)) = self.take(partition) {
            let call = async { (self.call)(partition, items).await };
            match AssertUnwindSafe(call).catch_unwind().await {
                Ok(Ok(answers)) if answers.len() == submitters.len() => {
                    for (submitter, answer) in submitters.into_iter().zip(answers) {
                        // Its client is gone, perhaps; so it is below.
                        let _ = submitter.send(Ok(answer));
                    }
                }
                Ok(Err(error)) => {
                    for submitter in submitters {
                        let _ = submitter.send(Err(error.clone()));
                    }
                }
                Ok(Ok(answers)) => {
                    let (items, answers) = (submitters.len(), answers.len());
                    tracing::error!(items, answers, "a batch was answered the wrong number");
                }
                Err(_) => tracing::error!(items = submitters.len(), "a batch panicked"),
            }
        }
    }

    /// The next batch of a partition; `None` ends the task that asked.
    fn take(&self, partition: Partition) -> Option<(Vec<Item>, Vec<Submitter<Answer>>)> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(partition).or_default();
        if lane.waiting.is_empty() {
            lane.calls -= 1;
            return None;
        }
        let count = lane.waiting.len().min(self.limit);
        Some(lane.waiting.drain(..count).unzip())
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Partition, Lane<Item, Answer>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Item, Answer> Clone for Batcher<Item, Answer> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Item, Answer> Default for Lane<Item, Answer> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), calls: 0 }
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
