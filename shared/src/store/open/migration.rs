//! Migrating a store of an older layout to the layout of this build.
//!
//! Each partition is migrated by itself, one step after the other. After each step its identity
//! names the new layout. A process that is killed within a step leaves the old identity, and the
//! next process takes the step again. Until the last step is done, every function refuses the
//! partition.

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
        for _ in layout.steps {
            let PartitionState::Older(identity) = self.state(partition).await? else {
                return Ok(());
            };
            let (from, to) = (identity.version(), identity.version() + 1);
            if !replace(&mut reported.migrates, true) {
                tracing::info!(from, to, "migrating the store");
            }
            // `state` refuses a layout before `oldest`.
            if let Some(step) = layout.steps.get((from - layout.oldest) as usize) {
                step(self.clone(), partition).await?;
            }
            let text = Identity::write(identity.id(), layout, to, self.partitions());
            let call = Call::new("set_identity")
                .arg(identity.text.as_str())
                .arg(text);
            // If another process was faster, the next round reads the identity that it wrote.
            self.call(partition, &call).await?;
        }
        if matches!(self.state(partition).await?, PartitionState::Current) {
            return Ok(());
        }
        let reason = "the layout of the store changes while it is migrated";
        Err(RedisError::unknown(reason).into())
    }
}
