//! What a person may accept: that a store, or the stream that it acts on, has lost something for good.

use crate::store::Store;
use crate::store::open::{OpenError, Witness};
use crate::stream::checkpoint::{Fit, StreamState};

/// Takes the store and the stream as they are from here on. Where nothing is lost, nothing changes.
pub async fn accept_loss(store: &Store, witness: &Witness) -> Result<(), OpenError> {
    store.ensure_claimable(witness).await?;
    for partition in store.partitions().all() {
        let stream = partition.key(witness.stream);
        let state = StreamState::read(&witness.redis, &stream, witness.group).await?;
        let checkpoint = store.checkpoint(&stream).await?;
        if let Fit::Lost(_) = state.fit(&witness.redis, &stream, checkpoint).await? {
            store
                .reset_checkpoint(&stream, state.checkpoint_at(state.delivered))
                .await?;
            store
                .remember_incarnation(partition, &store.incarnation().await?)
                .await?;
        }
    }
    Ok(store.adopt().await?)
}
