//! Long polls: requests that wait until something has happened. The number of requests that wait at
//! once is bounded, and so is the time of each.

use std::sync::Arc;
use std::time::Duration;

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::admission::Slot;
use crate::http::problem::{OVERLOADED, Problem};

/// The longest wait that a client asks for, in whole seconds.
pub struct Timeout(Duration);

/// Lets a number of requests wait at once. Cheap to clone.
#[derive(Clone)]
pub struct Waits {
    permits: Arc<Semaphore>,
    what: &'static str,
}

/// Longest wait, in seconds.
const MAX_SECONDS: u64 = 30;
/// How long a client is asked to wait when too many requests wait already.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

crate::schema!(
    Timeout,
    "timeout",
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(30.0),
        ..MetaSchema::new("integer")
    }
);

impl Timeout {
    /// The time that a client gave, or else the longest one.
    pub fn or_longest(given: Option<Self>) -> Duration {
        given.map_or(Duration::from_secs(MAX_SECONDS), |Self(limit)| limit)
    }
}

impl ParseFromParameter for Timeout {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let seconds = text
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        seconds
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| {
                let fault =
                    format!("must be a whole number of seconds between 1 and {MAX_SECONDS}");
                ParseError::custom(fault)
            })
    }
}

impl Waits {
    /// Lets `count` requests wait at once for `what`.
    pub fn new(count: usize, what: &'static str) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(count)),
            what,
        }
    }

    /// Lets the request with this slot wait for up to `limit`, as long as it holds the permit.
    /// Refuses a request if too many wait already.
    pub fn begin(&self, slot: &Slot, limit: Duration) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("too many requests wait for {}", self.what);
            Problem::new(&OVERLOADED, detail).retry_after(BUSY_RETRY_AFTER)
        })?;
        slot.wait_up_to(limit);
        Ok(permit)
    }
}
