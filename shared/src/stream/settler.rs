//! From a delivery to its end: decode, act, park entries that cannot be acted on, acknowledge.
//!
//! The acknowledgement comes last. A crash anywhere before it makes Redis deliver the entry again,
//! and acting on it a second time changes nothing.

use crate::contract::entry_id::EntryId;
use crate::contract::event::{DecodeError, Event, RawFields};
use crate::redis::{Entry, MAX_ENTRY_BYTES, Redis, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::checkpoint::Checkpoint;
use crate::stream::dead_letter::{Bounds, DeadLetters, Keeper};
use crate::stream::delivery::{Delivered, Delivery, Handler, MAX_ATTEMPTS, Parking, Settlement};
use crate::stream::group::Membership;
use crate::stream::stream_state::read_id;

/// Acts on the deliveries of one consumer, and acknowledges them.
pub(crate) struct Settler<H> {
    handler: H,
    membership: Membership,
    /// The store that has the stream: acknowledgements go there.
    stream_store: Redis,
    /// The store that the handler writes to: dead letters go there.
    own_store: Store,
    /// The partition of the stream, and of everything kept about it in the own store.
    partition: Partition,
    /// Keeps the dead letters within their bounds.
    keeper: Keeper,
}

/// A batch that was acted on.
pub(crate) struct Acted {
    /// The ids of the entries that may be acknowledged.
    pub(crate) settled: Vec<String>,
    /// The deliveries that are to be handed over again, with their counts raised.
    pub(crate) again: Vec<Delivery>,
}

impl<H: Handler> Settler<H> {
    /// Acts with `handler` on what `membership` reads in `stream_store`. Parked entries go to
    /// `own_store`, within `bounds`.
    pub(crate) fn new(
        handler: H,
        membership: Membership,
        stream_store: Redis,
        own_store: Store,
        partition: Partition,
        bounds: Bounds,
    ) -> Self {
        Self {
            handler,
            membership,
            stream_store,
            own_store,
            partition,
            keeper: Keeper::new(bounds),
        }
    }

    /// Settles a batch. Answers the deliveries that are to be handed over again.
    pub(crate) async fn settle(
        &mut self,
        batch: Vec<Delivery>,
        checkpoint: &mut Checkpoint,
    ) -> Result<Vec<Delivery>, RedisError> {
        let Acted { settled, again } = self.act(batch).await?;
        self.acknowledge(settled, checkpoint).await?;
        Ok(again)
    }

    /// Acts on a batch without acknowledging anything.
    pub(crate) async fn act(&mut self, batch: Vec<Delivery>) -> Result<Acted, RedisError> {
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
        self.log_retries(&again, &last_error);
        settled.extend(self.park(parked).await?);
        Ok(Acted { settled, again })
    }

    /// Acts on entries of a replay, which were read without the group. Acknowledges nothing. An
    /// entry that cannot be acted on becomes a dead letter, unless it is one already.
    pub(crate) async fn repeat(&mut self, entries: Vec<Entry>) -> Result<(), RedisError> {
        let batch: Vec<Delivery> = entries.into_iter().map(Delivery::first).collect();
        let settlements = self.judge(&batch).await?;
        let mut parked = Vec::new();
        for (delivery, settlement) in batch.into_iter().zip(settlements) {
            // A batch fails as a whole, although a single entry of it may be to blame.
            let alone = match settlement {
                Settlement::Retry(_) => self.judge(std::slice::from_ref(&delivery)).await?.pop(),
                settlement => Some(settlement),
            };
            match alone {
                Some(Settlement::Park(parking)) => parked.push((delivery, parking)),
                Some(Settlement::Retry(error)) => {
                    parked.push((delivery, Parking::too_often(error)));
                }
                Some(Settlement::Done) | None => {}
            }
        }
        self.park(parked).await.map(drop)
    }

    /// Acknowledges settled entries, after the checkpoint in the own store covers them.
    pub(crate) async fn acknowledge(
        &self,
        settled: Vec<String>,
        checkpoint: &mut Checkpoint,
    ) -> Result<(), RedisError> {
        let mut newest = EntryId::default();
        for id in &settled {
            newest = newest.max(read_id(id)?);
        }
        checkpoint.cover(newest).await?;
        self.membership
            .acknowledge(&self.stream_store, settled)
            .await
    }

    /// Makes dead letters of entries. Answers their ids, which may be acknowledged.
    pub(crate) async fn park(
        &mut self,
        parked: Vec<(Delivery, Parking)>,
    ) -> Result<Vec<String>, RedisError> {
        let dead_letters = DeadLetters {
            store: &self.own_store,
            partition: self.partition,
        };
        dead_letters
            .park(&self.membership, &parked, &mut self.keeper)
            .await?;
        for (delivery, parking) in &parked {
            self.tell_parked(&delivery.entry, parking).await?;
        }
        let ids = parked.into_iter().map(|(delivery, _)| delivery.entry.id);
        Ok(ids.collect())
    }

    /// Tells the handler that an entry became a dead letter, if the entry is an event. If the store
    /// refuses what the handler does about it, the dead letter has to be enough: another attempt
    /// would fail as well, and hold up the entries behind it.
    async fn tell_parked(&self, entry: &Entry, parking: &Parking) -> Result<(), RedisError> {
        let Ok(event) = decode::<H::Event>(entry) else {
            return Ok(());
        };
        match self.handler.parked(&event, parking).await {
            Err(error @ (RedisError::Refused { .. } | RedisError::Malformed { .. })) => {
                let entry = &entry.id;
                tracing::error!(entry, %error, "the handler could not act on a dead letter");
                Ok(())
            }
            told => told,
        }
    }

    /// One settlement for each delivery. An entry that does not decode is to be parked. The events
    /// go to the handler together.
    async fn judge(&self, batch: &[Delivery]) -> Result<Vec<Settlement>, RedisError> {
        let mut events = Vec::with_capacity(batch.len());
        let mut undecodable = Vec::with_capacity(batch.len());
        for Delivery { entry, .. } in batch {
            let entry_id = entry.id.as_str();
            let event = decode(entry).map(|event| events.push(Delivered { entry_id, event }));
            undecodable.push(event.err());
        }
        let mut handled = self.hand_over(&events).await?.into_iter();
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
        batch: &[Delivered<'_, H::Event>],
    ) -> Result<Vec<Settlement>, RedisError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        match self.handler.handle(batch).await {
            Ok(settlements) => Ok(settlements),
            error @ Err(RedisError::Unavailable { .. }) => error,
            Err(error) => Ok(vec![Settlement::Retry(error.to_string()); batch.len()]),
        }
    }

    /// Logs one line for a whole batch, because hundreds of entries may fail together.
    fn log_retries(&self, again: &[Delivery], error: &str) {
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

/// Parks an entry instead of a retry once [`MAX_ATTEMPTS`] are used up.
fn limit(delivery: &Delivery, settlement: Settlement) -> Settlement {
    match settlement {
        Settlement::Retry(error) if delivery.attempts.saturating_add(1) >= MAX_ATTEMPTS => {
            Settlement::Park(Parking::too_often(error))
        }
        settlement => settlement,
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
