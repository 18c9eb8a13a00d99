//! Entries that may kill the process: the store counts how often each was handed over, and an entry
//! with [`MAX_ATTEMPTS`] becomes a dead letter.

use super::Consumer;
use crate::redis::{Entry, RedisError};
use crate::stream::attempts::Attempts;
use crate::stream::delivery::{Delivery, Handler, MAX_ATTEMPTS, Parking};
use crate::stream::settler::Acted;

impl<H: Handler> Consumer<H> {
    /// Settles entries that this consumer held when its process died, or that belonged to a dead
    /// consumer.
    ///
    /// One of the entries may have killed the process. So the store counts each entry before its
    /// handing over. Entries without a count from before are handed over together, each other entry
    /// alone. Only the entry that kills reaches the limit; its neighbours do not.
    pub(super) async fn settle_recovered(
        &mut self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Delivery>, RedisError> {
        let mut again = Vec::new();
        for batch in suspects_apart(self.attempts.read_all(entries).await?) {
            again.extend(self.settle_counted(batch).await?);
        }
        Ok(again)
    }

    /// Acts once more on a page of a replay, and acknowledges nothing. One of the entries may kill
    /// the process, also one that became a dead letter because it did. So they are counted like
    /// recovered entries. Otherwise each start would replay that entry, and die of it.
    pub(super) async fn repeat_counted(&mut self, entries: Vec<Entry>) -> Result<(), RedisError> {
        let mut deliveries = self.replay_attempts.read_all(entries).await?;
        self.replay.recall_counts(&mut deliveries);
        for batch in suspects_apart(deliveries) {
            let attempts = attempts_of(&batch);
            if attempts >= MAX_ATTEMPTS {
                // The counts stay: an entry that is pending is parked by them once more, and `look`
                // forgets the others.
                self.park_killers(batch).await?;
                continue;
            }
            let ids = ids_of(&batch);
            self.replay_attempts.set(&ids, attempts + 1).await?;
            let entries = batch.into_iter().map(|delivery| delivery.entry).collect();
            let repeated = self.settler.repeat(entries).await;
            give_back(&self.replay_attempts, &ids, attempts, repeated).await?;
            self.replay_attempts.forget(&ids).await?;
        }
        Ok(())
    }

    /// Settles a batch of entries with the same count. The store keeps a count that is one higher
    /// until the entry is settled.
    async fn settle_counted(&mut self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, RedisError> {
        let attempts = attempts_of(&batch);
        let acted = if attempts >= MAX_ATTEMPTS {
            self.park_killers(batch).await?
        } else {
            let ids = ids_of(&batch);
            self.attempts.set(&ids, attempts + 1).await?;
            let acted = self.settler.act(batch).await;
            give_back(&self.attempts, &ids, attempts, acted).await?
        };
        self.finish(acted).await
    }

    /// Forgets the counts of the entries that are settled, and acknowledges these entries. An entry
    /// that is handed over again keeps its count, because it may still kill the process.
    ///
    /// The counts are forgotten before the entries are acknowledged. A crash in between costs a
    /// count. In the other order it would leave counts for ever, because acknowledged entries never
    /// come again.
    pub(super) async fn finish(&mut self, acted: Acted) -> Result<Vec<Delivery>, RedisError> {
        let Acted { settled, again } = acted;
        self.attempts.forget(&settled).await?;
        self.settler
            .acknowledge(settled, &mut self.checkpoint)
            .await?;
        Ok(again)
    }

    async fn park_killers(&mut self, batch: Vec<Delivery>) -> Result<Acted, RedisError> {
        let detail = "handed over again and again, and the process died each time";
        let parked = batch.into_iter().map(|delivery| {
            let parking = Parking::too_often(detail.to_owned());
            (delivery, parking)
        });
        Ok(Acted {
            settled: self.settler.park(parked.collect()).await?,
            again: Vec::new(),
        })
    }

    /// Settles entries that this process has read before and could not settle, because a store was
    /// away. The process is alive, so these deliveries are not counted.
    pub(super) async fn settle_again(
        &mut self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Delivery>, RedisError> {
        let batch = entries.into_iter().map(Delivery::first).collect();
        let acted = self.settler.act(batch).await?;
        self.finish(acted).await
    }
}

/// The batches in which entries are handed over that may kill the process: those without a count
/// together, and each entry that was counted before alone.
fn suspects_apart(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let (suspects, fresh): (Vec<_>, Vec<_>) = deliveries
        .into_iter()
        .partition(|delivery| delivery.attempts > 0);
    let fresh = Some(fresh).filter(|fresh| !fresh.is_empty());
    let alone = suspects.into_iter().map(|suspect| vec![suspect]);
    fresh.into_iter().chain(alone).collect()
}

/// Sets the counts back to `before` after a failure: a store failed, and no process died. If this
/// call fails too, the counts stay one too high.
async fn give_back<T>(
    attempts: &Attempts,
    ids: &[String],
    before: u32,
    result: Result<T, RedisError>,
) -> Result<T, RedisError> {
    if result.is_err() {
        let _ = attempts.set(ids, before).await;
    }
    result
}

/// How often the entries of a batch were handed over before. All of them have the same count.
fn attempts_of(batch: &[Delivery]) -> u32 {
    batch.first().map_or(0, |delivery| delivery.attempts)
}

fn ids_of(batch: &[Delivery]) -> Vec<String> {
    let ids = batch.iter().map(|delivery| delivery.entry.id.clone());
    ids.collect()
}
