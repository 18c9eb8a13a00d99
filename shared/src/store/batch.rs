//! Group commit: all items that wait for the store at the same moment go there in one call.
//!
//! An item that finds no call under way starts one at once, so it never waits for other items.
//! Items that come during a call wait for its end, and then share the next call. The busier a store
//! is, the larger the batches are, and the less each item costs.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use futures_util::future::{BoxFuture, FutureExt, MaybeDone, maybe_done};
use futures_util::poll;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::redis::{Code, RedisError};
use crate::store::partition::Partition;

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

type Calling<Answer> = BoxFuture<'static, Result<Vec<Answer>, RedisError>>;
type Submitter<Answer> = oneshot::Sender<Result<Answer, RedisError>>;
/// How a call ended: with its answers, with an error, or with a panic.
type Outcome<Answer> = thread::Result<Result<Vec<Answer>, RedisError>>;
/// A call that was sent, and the submitters that wait for it.
type UnderWay<Answer> = (
    MaybeDone<BoxFuture<'static, Outcome<Answer>>>,
    Vec<Submitter<Answer>>,
);

/// The items that wait in one partition.
struct Lane<Item, Answer> {
    waiting: VecDeque<(Item, Submitter<Answer>)>,
    /// Whether a call is under way. A second call at the same time would make the batches smaller.
    is_busy: bool,
}

/// How an item was accepted.
enum Entered<Item, Answer> {
    /// No call is under way: the submitter makes the call itself.
    Alone(Item),
    /// The item waits behind the call under way.
    Behind(oneshot::Receiver<Result<Answer, RedisError>>),
}

/// The turn of an item that went alone. However the call ends, even by a panic or with its client,
/// dropping the turn lets the waiting items go on.
struct Turn<Item: Send + 'static, Answer: Send + 'static> {
    inner: Arc<Inner<Item, Answer>>,
    partition: Partition,
}

impl<Item: Send + 'static, Answer: Send + 'static> Batcher<Item, Answer> {
    /// Hands at most `limit` items at a time to `call`, which answers each of them, in their order.
    pub fn new<F>(
        limit: usize,
        call: impl Fn(Partition, Vec<Item>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Vec<Answer>, RedisError>> + Send + 'static,
    {
        let call = Box::new(move |partition, items| call(partition, items).boxed());
        Self(Arc::new(Inner {
            call,
            limit: limit.max(1),
            lanes: Mutex::default(),
        }))
    }

    /// Hands over an item, at once or together with the items that wait in its partition, and waits
    /// for its answer. If the call fails, each of its items gets the error. If the store did not
    /// answer, each waiting item gets the error too.
    ///
    /// A caller may stop waiting. Then the outcome of its item is unknown, and the items behind it
    /// go on.
    pub async fn submit(&self, partition: Partition, item: Item) -> Result<Answer, RedisError> {
        match self.0.enter(partition, item)? {
            Entered::Alone(item) => Inner::go_alone(&self.0, partition, item).await,
            Entered::Behind(answer) => answer.await.map_err(|_| unknown())?,
        }
    }
}

impl<Item: Send + 'static, Answer: Send + 'static> Inner<Item, Answer> {
    fn enter(&self, partition: Partition, item: Item) -> Result<Entered<Item, Answer>, RedisError> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(partition).or_default();
        if !lane.is_busy {
            lane.is_busy = true;
            return Ok(Entered::Alone(item));
        }
        if lane.waiting.len() >= MAX_WAITING {
            return Err(RedisError::not_now(
                Code::Crowded,
                "too many requests wait for it already",
            ));
        }
        let (submitter, answer) = oneshot::channel();
        lane.waiting.push_back((item, submitter));
        Ok(Entered::Behind(answer))
    }

    /// Calls for one item that found no call under way. This spares a task of its own.
    async fn go_alone(
        inner: &Arc<Self>,
        partition: Partition,
        item: Item,
    ) -> Result<Answer, RedisError> {
        let turn = Turn {
            inner: Arc::clone(inner),
            partition,
        };
        let answers = (inner.call)(partition, vec![item]).await;
        if let Err(error) = &answers {
            inner.tell_those_behind(partition, error);
        }
        drop(turn);
        let [answer] = <[Answer; 1]>::try_from(answers?).map_err(|_| unknown())?;
        Ok(answer)
    }

    /// Calls until no item waits. If a call panics or answers the wrong number, its submitters get
    /// an error, and the next call goes on.
    ///
    /// The next call is sent before the submitters of the last call get their answers. So the store
    /// has work while they are answered.
    async fn work_off(self: Arc<Self>, partition: Partition) {
        let mut under_way = self.begin(partition).await;
        while let Some((mut call, submitters)) = under_way {
            (&mut call).await;
            let outcome = Pin::new(&mut call).take_output();
            if let Some(Ok(Err(error))) = &outcome {
                self.tell_those_behind(partition, error);
            }
            under_way = self.begin(partition).await;
            tell(outcome, submitters);
        }
    }

    /// Begins a call for the next batch of a partition; `None` when no item waits.
    async fn begin(self: &Arc<Self>, partition: Partition) -> Option<UnderWay<Answer>> {
        let (items, submitters) = self.take(partition)?;
        let inner = Arc::clone(self);
        let call = async move { (inner.call)(partition, items).await };
        let mut call = maybe_done(AssertUnwindSafe(call).catch_unwind().boxed());
        // A future that was never polled has sent nothing.
        let _ = poll!(&mut call);
        Some((call, submitters))
    }

    fn take(&self, partition: Partition) -> Option<(Vec<Item>, Vec<Submitter<Answer>>)> {
        let mut lanes = self.lanes();
        let lane = lanes.entry(partition).or_default();
        if lane.waiting.is_empty() {
            lane.is_busy = false;
            return None;
        }
        let count = lane.waiting.len().min(self.limit);
        Some(lane.waiting.drain(..count).unzip())
    }

    /// Fails all waiting items if the store did not answer. Otherwise they would wait in vain, and
    /// longer than for one call.
    fn tell_those_behind(&self, partition: Partition, error: &RedisError) {
        if error.is_answer() {
            return;
        }
        for (_, submitter) in self.lanes().entry(partition).or_default().waiting.drain(..) {
            let _ = submitter.send(Err(error.clone()));
        }
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<Partition, Lane<Item, Answer>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Item: Send + 'static, Answer: Send + 'static> Drop for Turn<Item, Answer> {
    fn drop(&mut self) {
        let mut lanes = self.inner.lanes();
        let lane = lanes.entry(self.partition).or_default();
        // In a task of its own, because the current task may end with its client.
        match Handle::try_current() {
            Ok(runtime) if !lane.waiting.is_empty() => {
                runtime.spawn(Arc::clone(&self.inner).work_off(self.partition));
            }
            // No item waits, or the runtime has ended.
            _ => *lane = Lane::default(),
        }
    }
}

/// Sends submitters the outcome of their batch. Some submitters may have stopped waiting.
fn tell<Answer>(outcome: Option<Outcome<Answer>>, submitters: Vec<Submitter<Answer>>) {
    match outcome {
        Some(Ok(Ok(answers))) if answers.len() == submitters.len() => {
            for (submitter, answer) in submitters.into_iter().zip(answers) {
                let _ = submitter.send(Ok(answer));
            }
        }
        Some(Ok(Err(error))) => {
            for submitter in submitters {
                let _ = submitter.send(Err(error.clone()));
            }
        }
        Some(Ok(Ok(answers))) => {
            let (items, answers) = (submitters.len(), answers.len());
            tracing::error!(items, answers, "a batch got the wrong number of answers");
        }
        Some(Err(_)) | None => tracing::error!(items = submitters.len(), "a batch panicked"),
    }
}

fn unknown() -> RedisError {
    RedisError::unknown("the batch of this request may or may not have taken effect")
}

impl<Item, Answer> Clone for Batcher<Item, Answer> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Item, Answer> Default for Lane<Item, Answer> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            is_busy: false,
        }
    }
}

#[cfg(test)]
mod tests;
