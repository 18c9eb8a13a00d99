//! Limits how many requests are under way at once, and how long each may take.
//!
//! A process with more requests than it can work on refuses the next ones at once. A quick refusal
//! is worth more to a client than an answer that comes after the client has given up.

use std::future::{Future, poll_fn};
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until};

mod large;
mod untaken;

pub(crate) use large::{LargeBodies, LargeBody, MAX_LARGE_BODIES};
use untaken::Counted;
pub(crate) use untaken::{EXCESS_TIMEOUT, Untaken};

use crate::http::problem::{DEADLINE_EXCEEDED, OVERLOADED, Problem};

/// The permits for requests: one for each request that may be under way at the same time.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Semaphore>);

/// The permit of one request, and its deadline. With [`Slot::wait_up_to`], a handler that only
/// waits gives the permit back and extends the deadline.
#[derive(Debug)]
pub struct Slot(Mutex<Terms>);

#[derive(Debug)]
struct Terms {
    permit: Option<OwnedSemaphorePermit>,
    /// The permit of a large body.
    body: Option<LargeBody>,
    deadline: Instant,
}

/// The permit of an answered request, until its answer is written. An answer that the client does
/// not read stays in memory, so its request still counts.
#[derive(Debug, Default)]
pub(crate) struct Held(Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    _permit: OwnedSemaphorePermit,
    /// Set when the client does not read the whole answer at once.
    untaken: Option<Counted>,
}

/// The timer that the requests of one connection share, one after the other. Moving its deadline
/// further ahead costs nothing. A timer for each request would be put into the runtime's timer
/// wheel and taken out again.
#[derive(Debug, Default)]
pub struct ConnectionTimer(Mutex<Option<Pin<Box<Sleep>>>>);

/// Longest time for an answer once the request is complete.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
/// `Retry-After` of an answer to a client that found no permit.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Admission {
    /// Makes `max` permits.
    pub fn new(max: NonZeroU16) -> Self {
        Self(Arc::new(Semaphore::new(max.get().into())))
    }

    /// Takes a permit for a request. Refuses the request at once if no permit is left.
    pub fn enter(&self, slot: &Slot) -> Result<(), Problem> {
        let permit = self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = "this process has as many requests under way as it can work on";
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
    /// A slot without a permit. Probes never take one.
    pub fn new() -> Self {
        Self(Mutex::new(Terms {
            permit: None,
            body: None,
            deadline: Instant::now(),
        }))
    }

    /// Keeps the permit of a large body until the request is answered, or only waits.
    pub(crate) fn hold_body(&self, permit: LargeBody) {
        self.terms().body = Some(permit);
    }

    /// Announces that the handler only waits, for at most `wait`. Another request may take its
    /// permit, and the time limit of the handler counts from the end of the wait.
    pub fn wait_up_to(&self, wait: Duration) {
        let mut terms = self.terms();
        (terms.permit, terms.body) = (None, None);
        terms.deadline = Instant::now() + wait + HANDLER_TIMEOUT;
    }

    /// Runs a handler until its deadline, which the handler may extend. The slot keeps its permit,
    /// unless the handler gives it back.
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

    /// Counts the answer as unread, because the client does not read all of it at once. Answers
    /// whether the answer is one beyond the share of the network. An answer without a permit is
    /// not counted.
    pub(crate) fn stop(&self, untaken: &Arc<Untaken>) -> bool {
        let mut kept = self.kept();
        kept.as_mut().is_some_and(|kept| {
            let counted = kept.untaken.get_or_insert_with(|| untaken.count());
            counted.is_excess()
        })
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
    /// Runs `work` until a deadline, which may move while it runs. `None` once the deadline has
    /// passed.
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
