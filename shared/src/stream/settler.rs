//! From a delivery to its end: decode, act, set aside what cannot be acted on, acknowledge.
//!
//! The acknowledgement comes last. A crash anywhere before it hands the entry over again, and a
//! second time changes nothing.

use std::sync::Mutex;

mod counts;
mod position;

use crate::contract::entry_id::EntryId;
use crate::contract::event::{DecodeError, Event, RawFields};
use crate::contract::id::Partition;
use crate::redis::{Entry, MAX_ENTRY_BYTES, Redis, RedisError};
use crate::store::Store;
use crate::stream::checkpoint::{Known, STEP, as_ms, read_id};
use crate::stream::dead_letter::{DeadLetters, Keeper};
use crate::stream::delivery::{Delivery, Handler, MAX_ATTEMPTS, Parking, Settlement};
use crate::stream::group::Membership;
use crate::stream::settler::position::FORWARD;

/// Settles the deliveries of one consumer.
pub(crate) struct Settler<H> {
    pub(crate) handler: H,
    pub(crate) membership: Membership,
    /// The store that has the stream: acknowledgements go there.
    pub(crate) stream_store: Redis,
    /// The store that the handler writes to: parked entries and attempt counts go there.
    pub(crate) own_store: Store,
    /// The partition of the stream, and of everything kept about it in the own store.
    pub(crate) partition: Partition,
    /// Bounds what the own store keeps of parked entries.
    pub(crate) keeper: Keeper,
    /// Up to where the own store is known to remember the stream, and in which incarnation.
    pub(crate) known: Mutex<Known>,
}

impl<H: Handler> Settler<H> {
    /// Settles a batch. Answers what is to be handed over again, with its count raised.
    pub(crate) async fn settle(&self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, RedisError> {
        let (settled, again) = self.act(batch).await?;
        self.acknowledge(settled).await?;
        Ok(again)
    }

    /// Acts on a batch without acknowledging anything. Answers the ids of what is settled, and what
    /// is to be handed over again.
    async fn act(&self, batch: Vec<Delivery>) -> Result<(Vec<String>, Vec<Delivery>), RedisError> {
        let settlements = self.judge(&batch).await?;
        let mut settled = Vec::with_capacity(batch.len());
        let (mut parked, mut again) = (Vec::new(), Vec::new());
        let mut last_error = String::new();
        for (delivery, settlement) in batch.into_iter().zip(settlements) {
            match limit(&delivery, settlement) {
                Settlement::Done => settled.push(delivery.entry.id),
                Settlement::Park(parking) => parked.push((delivery, parking)),
                Settlement::Retry(error) => {
                    last_error = error;
                    let attempts = delivery.attempts.saturating_add(1);
                    again.push(Delivery {
                        attempts,
                        ..delivery
                    });
                }
            }
        }
        self.tell_retries(&again, &last_error);
        self.park(&parked).await?;
        settled.extend(parked.into_iter().map(|(delivery, _)| delivery.entry.id));
        Ok((settled, again))
    }

    /// Acts on entries that were read again without the group, because the own store may have
    /// forgotten them. Nothing is acknowledged; what cannot be acted on is set aside, if it is not
    /// already.
    pub(crate) async fn repeat(&self, entries: Vec<Entry>) -> Result<(), RedisError> {
        let batch: Vec<Delivery> = entries.into_iter().map(Delivery::first).collect();
        let settlements = self.judge(&batch).await?;
        let mut parked = Vec::new();
        for (delivery, settlement) in batch.into_iter().zip(settlements) {
            // A batch fails as a whole, and only one of it may be to blame.
            let alone = match settlement {
                Settlement::Retry(_) => self.judge(std::slice::from_ref(&delivery)).await?.pop(),
                settlement => Some(settlement),
            };
            match alone {
                Some(Settlement::Park(parking)) => parked.push((delivery, parking)),
                Some(Settlement::Retry(error)) => parked.push((delivery, too_often(error))),
                Some(Settlement::Done) | None => {}
            }
        }
        self.park(&parked).await
    }

    /// Settles entries that this consumer held when its process died, or that belonged to a
    /// consumer which did.
    ///
    /// One of them may be what killed it. Those that were recovered before are therefore handed
    /// over alone, each counted before its turn, so that the culprit reaches its limit and its
    /// neighbours do not.
    pub(crate) async fn settle_recovered(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Delivery>, RedisError> {
        let counts = self.recovery_counts(&entries).await?;
        let recovered = entries.into_iter().zip(counts);
        let (suspects, fresh): (Vec<_>, Vec<_>) = recovered
            .map(|(entry, attempts)| Delivery { entry, attempts })
            .partition(|delivery| delivery.attempts > 0);
        let mut again = Vec::new();
        for batch in std::iter::once(fresh).chain(suspects.into_iter().map(|suspect| vec![suspect]))
        {
            again.extend(self.settle_counted(batch).await?);
        }
        Ok(again)
    }

    /// Settles entries that this consumer has read before and could not settle, because a store was
    /// away. Nobody died of them, whatever is counted of an attempt that was broken off.
    pub(crate) async fn settle_again(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Delivery>, RedisError> {
        let ids = entries.iter().map(|entry| entry.id.clone()).collect();
        let batch = entries.into_iter().map(Delivery::first).collect();
        let (settled, again) = self.act(batch).await?;
        self.forget_counts(ids).await?;
        self.acknowledge(settled).await?;
        Ok(again)
    }

    /// Settles a batch of equal counts; while it is in hand, its count is one higher.
    ///
    /// The count is forgotten before the entry is acknowledged: afterwards nobody would hear of the
    /// entry again, and a count that a crash left behind would stay for ever.
    async fn settle_counted(&self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, RedisError> {
        let Some(attempts) = batch.first().map(|delivery| delivery.attempts) else {
            return Ok(Vec::new());
        };
        let ids: Vec<String> = batch
            .iter()
            .map(|delivery| delivery.entry.id.clone())
            .collect();
        let (settled, again) = if attempts >= MAX_ATTEMPTS {
            (self.park_killers(batch).await?, Vec::new())
        } else {
            self.set_recovery_count(&ids, attempts + 1).await?;
            let acted = self.act(batch).await;
            if acted.is_err() {
                // A store was in trouble and nobody died. If this fails too, the count is one too
                // high.
                let _ = self.set_recovery_count(&ids, attempts).await;
            }
            acted?
        };
        self.forget_counts(ids).await?;
        self.acknowledge(settled).await?;
        Ok(again)
    }

    async fn park_killers(&self, batch: Vec<Delivery>) -> Result<Vec<String>, RedisError> {
        let detail = "handed over again and again, and the process died each time";
        let parking = || too_often(detail.to_owned());
        let parked: Vec<_> = batch
            .into_iter()
            .map(|delivery| (delivery, parking()))
            .collect();
        self.park(&parked).await?;
        Ok(parked
            .into_iter()
            .map(|(delivery, _)| delivery.entry.id)
            .collect())
    }

    /// Acknowledges what is settled, once the own store remembers that it has come so far.
    async fn acknowledge(&self, settled: Vec<String>) -> Result<(), RedisError> {
        let mut newest = EntryId::default();
        for id in &settled {
            newest = newest.max(read_id(id)?);
        }
        if newest.ms > self.known_id().ms.saturating_add(as_ms(STEP)) {
            let stream = self.read_stream().await?;
            self.move_checkpoint(self.known(), stream.checkpoint_at(newest), FORWARD)
                .await?;
        }
        self.membership
            .acknowledge(&self.stream_store, settled)
            .await
    }

    /// One settlement for each delivery: what is no event is parked, the others go to the handler
    /// together.
    async fn judge(&self, batch: &[Delivery]) -> Result<Vec<Settlement>, RedisError> {
        let (mut events, mut entry_ids) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut undecodable = Vec::with_capacity(batch.len());
        for Delivery { entry, .. } in batch {
            let event = decode(entry).map(|event| {
                events.push(event);
                entry_ids.push(entry.id.as_str());
            });
            undecodable.push(event.err());
        }
        let mut handled = self.hand_over(&events, &entry_ids).await?.into_iter();
        let missing =
            || Settlement::Retry("the handler answered fewer settlements than events".to_owned());
        let settlements = undecodable.into_iter().map(|parking| match parking {
            Some(parking) => Settlement::Park(parking),
            None => handled.next().unwrap_or_else(missing),
        });
        Ok(settlements.collect())
    }

    async fn hand_over(
        &self,
        events: &[H::Event],
        entry_ids: &[&str],
    ) -> Result<Vec<Settlement>, RedisError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        match self.handler.handle(events, entry_ids).await {
            Err(RedisError::Refused(error)) => Ok(vec![Settlement::Retry(error); events.len()]),
            settlements => settlements,
        }
    }

    async fn park(&self, parked: &[(Delivery, Parking)]) -> Result<(), RedisError> {
        let Self {
            own_store: store,
            partition,
            keeper,
            ..
        } = self;
        let dead_letters = DeadLetters {
            store,
            partition: *partition,
        };
        dead_letters.park(&self.membership, parked, keeper).await
    }

    /// One line for a batch: what fails may come in thousands.
    fn tell_retries(&self, again: &[Delivery], error: &str) {
        let Some(Delivery { entry, attempts }) = again.last() else {
            return;
        };
        let (stream, entry, entries) = (&self.membership.stream, &entry.id, again.len());
        tracing::warn!(
            stream,
            entries,
            entry,
            attempt = attempts,
            error,
            "will try again"
        );
    }
}

/// A retry too many is a parking.
fn limit(delivery: &Delivery, settlement: Settlement) -> Settlement {
    match settlement {
        Settlement::Retry(error) if delivery.attempts.saturating_add(1) >= MAX_ATTEMPTS => {
            Settlement::Park(too_often(error))
        }
        settlement => settlement,
    }
}

fn too_often(detail: String) -> Parking {
    Parking {
        reason: "max_deliveries",
        detail,
    }
}

fn decode<E: Event>(entry: &Entry) -> Result<E, Parking> {
    let trimmed = || Parking {
        reason: "entry_trimmed",
        detail: "the entry was removed from the stream while it was pending".to_owned(),
    };
    if let Some(cut) = &entry.cut {
        let detail = format!(
            "the entry has {} bytes, and at most {MAX_ENTRY_BYTES} are read",
            cut.bytes
        );
        return Err(Parking {
            reason: "too_large",
            detail,
        });
    }
    let fields: &RawFields = entry.fields.as_ref().ok_or_else(trimmed)?;
    E::decode(fields).map_err(|error: DecodeError| Parking {
        reason: error.reason(),
        detail: error.to_string(),
    })
}
