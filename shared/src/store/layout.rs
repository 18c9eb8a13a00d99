//! How the keys of a store are laid out, and how a store of an older layout becomes one of today.

use std::future::Future;
use std::pin::Pin;

use crate::contract::id::Partition;
use crate::redis::RedisError;
use crate::store::Store;
use crate::store::partition::Partition;

/// Brings one partition of a store from one layout to the next. A step that was broken off is taken
/// again from its beginning, and two processes may take it at the same time: it leaves the same.
pub type Step = fn(Store, Partition) -> Taken;

/// The end of a step.
pub type Taken = Pin<Box<dyn Future<Output = Result<(), RedisError>> + Send>>;

/// The layout of the stores of one service.
///
/// Layout 0 is what builds wrote that named no layout in the identity of a store. Each step leads to
/// the next one, so the number of steps is the version. Steps are only ever added.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The service whose stores these are.
    pub service: &'static str,
    /// The steps from layout 0 to this one.
    pub steps: &'static [Step],
}

impl Layout {
    /// The version that this build reads and writes.
    pub fn version(self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }
}
