//! Bringing a store of an older layout to the one of this build.
//!
//! Each partition is brought there by itself, one step after the other, and says so in its identity
//! after each step. A process that is killed in between leaves the identity as it was, and the next
//! one takes the step again. Until the last step is taken, every function refuses the partition.

use std::mem::replace;

use super::identity::{Identity, PartitionState};
use super::{OpenError, Reported};
use crate::redis::RedisError;
use crate::store::Store;
use crate::store::function::Call;
use crate::store::partition::Partition;

impl Store {
    /// Takes the steps that a partition still lacks.
    pub(super) async fn migrate(
        &self,
        partition: Partition,
        reported: &mut Reported,
    ) -> Result<(), OpenError> {
        let layout = self.layout();
        // One round for each step, and one for a store that only lacks the name of the service.
        for _ in 0..=layout.steps.len() {
            let PartitionState::Older(identity) = self.state(partition).await? else {
                return Ok(());
            };
            let from = identity.version();
            let to = (from + 1).min(layout.version());
            if !replace(&mut reported.migrates, true) {
                tracing::info!(from, to, "migrating the store");
            }
            if let Some(step) = layout.steps.get(from as usize) {
                step(self.clone(), partition).await?;
            }
            let text = Identity::write(identity.id(), layout, to, self.partitions());
            let call = Call::new("set_identity")
                .arg(identity.text.as_str())
                .arg(text);
            // Where another process was faster, its identity is read in the next round.
            self.call(partition, &call).await?;
        }
        if matches!(self.state(partition).await?, PartitionState::Current) {
            return Ok(());
        }
        let reason = "the layout of the store changes while it is migrated";
        Err(RedisError::unknown(reason).into())
    }
}
