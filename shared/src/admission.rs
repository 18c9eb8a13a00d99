//! How many requests are under way at once, and how long each may take.
//!
//! Beyond what a process can work on, a quick refusal is worth more to a client than an answer that
//! comes when it has given up.

use std::future::Future;
use std::num::NonZeroU16;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::problem::{DEADLINE_EXCEEDED, OVERLOADED, Problem};

/// The places for requests that are under way.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Semaphore>);

/// The place of one request, and its deadline. A handler that only waits gives up the one and
/// extends the other with [`Lease::wait_up_to`].
#[derive(Clone, Debug)]
pub struct Lease(Arc<Mutex<Terms>>);

#[derive(Debug)]
struct Terms {
    place: Option<OwnedSemaphorePermit>,
    deadline: Instant,
}

/// Longest time for an answer once the request is complete.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);
/// What a client is asked to wait when there is no place.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Admission {
    /// So many places.
    pub fn new(places: NonZeroU16) -> Self {
        Self(Arc::new(Semaphore::new(places.get().into())))
    }

    /// Takes a place, or refuses at once.
    pub fn enter(&self) -> Result<Lease, Problem> {
        let place = self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = "as many requests are under way as this process can work on";
            Problem::new(&OVERLOADED, detail).retry_after(RETRY_AFTER)
        })?;
        Ok(Lease::new(Some(place)))
    }
}

impl Lease {
    /// A lease without a place, for what must always be answered.
    pub fn unlimited() -> Self {
        Self::new(None)
    }

    fn new(place: Option<OwnedSemaphorePermit>) -> Self {
        Self(Arc::new(Mutex::new(Terms { place, deadline: Instant::now() + HANDLER_TIMEOUT })))
    }

    /// Announces that the handler will do nothing but wait for so long: others may have its place,
    /// and its time begins anew after that.
    pub fn wait_up_to(&self, wait: Duration) {
        let mut terms = self.terms();
        terms.place = None;
        terms.deadline = Instant::now() + wait + HANDLER_TIMEOUT;
    }

    /// Runs a handler until its deadline, which it may extend, and gives the place back.
    pub async fn run<T>(&self, handler: impl Future<Output = T>) -> Result<T, Problem> {
        let mut handler = pin!(handler);
        let answer = loop {
            let deadline = self.terms().deadline;
            match tokio::time::timeout_at(deadline, &mut handler).await {
                Ok(answer) => break Ok(answer),
                Err(_) if self.terms().deadline > deadline => {}
                Err(_) => {
                    break Err(Problem::new(&DEADLINE_EXCEEDED, "there was no answer in time"));
                }
            }
        };
        self.terms().place = None;
        answer
    }

    fn terms(&self) -> MutexGuard<'_, Terms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
