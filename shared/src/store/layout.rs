//! The layout of a store, and the steps that migrate older layouts.

use std::pin::Pin;

use crate::redis::RedisError;
use crate::store::Store;
use crate::store::partition::Partition;

/// Brings one partition of a store from one layout to the next.
///
/// A crash may break off a step, and then the next process takes it again from its beginning. Two
/// processes may take a step at the same time. The result is the same in both cases.
pub type Step = fn(Store, Partition) -> Taken;

/// The future of a step that was begun.
pub type Taken = Pin<Box<dyn Future<Output = Result<(), RedisError>> + Send>>;

/// The layout of the stores of one service: which keys a store has, and what stands in them.
///
/// Each step leads to the next layout, so `oldest` and the number of steps make the version. A new
/// step is added at the end. A store that is older than `oldest` is refused, and so is a store whose
/// identity names no layout.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The service that owns the stores.
    pub service: &'static str,
    /// The oldest layout that this build can migrate, or its own where it has no step. At least 1,
    /// because 0 stands for an identity that names no layout.
    pub oldest: u32,
    /// The steps from layout `oldest` to the layout of this build.
    pub steps: &'static [Step],
}

impl Layout {
    /// The layout of a service that never changed it.
    pub const fn first(service: &'static str) -> Self {
        Self {
            service,
            oldest: 1,
            steps: &[],
        }
    }

    /// The version of the layout that this build reads and writes.
    pub fn version(self) -> u32 {
        let steps = u32::try_from(self.steps.len()).unwrap_or(u32::MAX);
        self.oldest.saturating_add(steps)
    }
}
