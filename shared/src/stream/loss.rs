//! The verb `adopt-store`: a person accepts that a store, or the stream that its service reads, has
//! lost data for good.

use crate::store::open::{OpenError, Witness};
use crate::store::{Store, due, incarnation};
use crate::stream::checkpoint::{self, Agreement, Recorded, compare};
use crate::stream::stream_state::StreamState;

/// Takes the store and the stream as they are now. If both agree, and the store has its identity,
/// this changes nothing. Otherwise the checkpoint goes to the last entry that the group was given.
/// No replay of a lost store begins, and a consumer that runs breaks off the replay that it has
/// begun. If the checkpoint goes back, because the stream is the older one, consumers that run act
/// on the recent past once more: the store has all effects of it.
pub async fn accept_loss(store: &Store, witness: &Witness) -> Result<(), OpenError> {
    let is_lost = store.lacks_identity(witness).await?;
    for partition in store.partitions().all() {
        let stream = partition.key(witness.stream);
        let state = StreamState::read(&witness.redis, &stream, witness.group).await?;
        let recorded = checkpoint::read(store, &stream).await?;
        let agreement = compare(&state, &witness.redis, &stream, recorded).await?;
        if is_lost || matches!(agreement, Agreement::Diverged(_)) {
            // The checkpoint goes last. A crash before it leaves stores that disagree, so the
            // person sees it and calls the verb again.
            due::remove_all(store, partition).await?;
            incarnation::record(store, partition, &store.incarnation().await?).await?;
            let recorded = Recorded::at(state.delivered, &state);
            checkpoint::reset(store, &stream, recorded).await?;
        }
    }
    Ok(store.adopt().await?)
}
