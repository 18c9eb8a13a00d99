//! How many requests are under way at once, and how long each may take.
//!
//! Beyond what a process can work on, a quick refusal is worth more to a client than an answer that
//! comes when it has given up.

use std::future::{Future, poll_fn};
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

mod untaken;

use untaken::Counted;
pub(crate) use untaken::{EXCESS_TIMEOUT, Untaken};

use crate::http::problem::{DEADLINE_EXCEEDED, OVERLOADED, Problem};

/// The permits for requests under way: as many as may be under way at once.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Semaphore>);

/// The permit of one request, and its deadline. A handler that only waits gives the permit back and
/// extends the deadline, with [`Slot::wait_up_to`].
#[derive(Debug)]
pub struct Slot(Mutex<Terms>);

#[derive(Debug)]
struct Terms {
    permit: Option<OwnedSemaphorePermit>,
    deadline: Instant,
}

/// The permit of a request that was answered, until its answer is written. An answer that the client
/// does not read stays in memory, so its request still counts.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    _permit: OwnedSemaphorePermit,
    /// Set when the client does not take all of the answer at once.
    untaken: Option<Counted>,
}

/// The timer that the requests of one connection share, one after the other. To move a deadline
/// that lies ahead costs nothing; a timer for each request would be put into the wheel and taken
/// out of it again.
#[derive(Debug, Default)]
pub struct ConnectionTimer(Mutex<Option<Pin<Box<Sleep>>>>);

/// Longest time for an answer once the request is complete.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client is asked to wait when no permit is left.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Admission {
    /// Lets `max` requests be under way at once.
    pub fn new(max: NonZeroU16) -> Self {
        Self(Arc::new(Semaphore::new(max.get().into())))
    }

    /// Takes a permit for a request, or refuses the request at once.
    pub fn enter(&self, slot: &Slot) -> Result<(), Problem> {
        let permit = self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = "as many requests are under way as this process can work on";
            Problem::new(&OVERLOADED, detail).retry_after(RETRY_AFTER)
        })?;
        slot.terms().permit = Some(permit);
        Ok(())
    }

    /// Whether every permit is taken.
    pub(crate) fn is_full(&self) -> bool {
        self.0.available_permits() == 0
    }
}

impl Slot {
    /// A slot without a permit: probes are answered without one.
    pub fn new() -> Self {
        Self(Mutex::new(Terms {
            permit: None,
            deadline: Instant::now(),
        }))
    }

    /// Announces that the handler only waits for up to `wait`: its permit goes to other requests, and
    /// the time of the handler begins after the wait.
    pub fn wait_up_to(&self, wait: Duration) {
        let mut terms = self.terms();
        terms.permit = None;
        terms.deadline = Instant::now() + wait + HANDLER_TIMEOUT;
    }

    /// Runs a handler until its deadline, which it may extend. The slot keeps its permit, unless the
    /// handler has given it back.
    pub async fn run<F: Future>(
        &self,
        handler: F,
        timer: &ConnectionTimer,
    ) -> Result<F::Output, Problem> {
        self.terms().deadline = Instant::now() + HANDLER_TIMEOUT;
        let answer = timer.race(|| self.terms().deadline, handler).await;
        answer.ok_or_else(|| Problem::new(&DEADLINE_EXCEEDED, "there was no answer in time"))
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Takes over the permit of a request, if the request still has one.
    pub(crate) fn keep(&self, slot: &Slot) {
        let permit = slot.terms().permit.take();
        *self.kept() = permit.map(|permit| Kept {
            _permit: permit,
            untaken: None,
        });
    }

    /// Gives the permit back.
    pub(crate) fn release(&self) {
        *self.kept() = None;
    }

    /// The client does not take all of the answer at once. Answers whether the answer holds a permit.
    pub(crate) fn stop(&self, untaken: &Arc<Untaken>) -> bool {
        let mut kept = self.kept();
        kept.as_mut()
            .map(|kept| kept.untaken.get_or_insert_with(|| untaken.count()))
            .is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl ConnectionTimer {
    /// Runs something until a deadline, which may move while it runs.
    pub async fn race<F: Future>(
        &self,
        deadline: impl Fn() -> Instant,
        work: F,
    ) -> Option<F::Output> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            self.poll(deadline(), context).map(|()| None)
        })
        .await
    }

    fn poll(&self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut sleep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        sleep.as_mut().poll(context)
    }
}
