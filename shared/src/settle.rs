//! From a delivery to its end: decode, act, set aside what cannot be acted on, acknowledge.
//!
//! The acknowledgement comes last. A crash anywhere before it hands the entry over again, and a second time changes
//! nothing.

use crate::dead_letter::DeadLetters;
use crate::delivery::{Delivery, Handler, MAX_ATTEMPTS, Parking, Settlement};
use crate::event::{DecodeError, Event, RawFields};
use crate::group::Membership;
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Command, Entry, Redis, RedisError};

/// Settles the deliveries of one consumer.
pub(crate) struct Settler<H> {
    pub(crate) handler: H,
    pub(crate) membership: Membership,
    /// The store that has the stream: acknowledgements go there.
    pub(crate) stream_store: Redis,
    /// The store that the handler writes to: parked entries and attempt counts go there.
    pub(crate) own_store: OwnStore,
    /// The partition of the stream, and of everything kept about it in the own store.
    pub(crate) partition: Partition,
}

/// Entry id -> how often it was handed over after a crash.
const ATTEMPTS: &str = "attempts";

impl<H: Handler> Settler<H> {
    /// Settles a batch. Answers what is to be handed over again, with its count raised.
    pub(crate) async fn settle(&self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, RedisError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut events = Vec::with_capacity(batch.len());
        let settlements: Vec<Option<Settlement>> = batch
            .iter()
            .map(|delivery| decode(&delivery.entry).map(|event| events.push(event)))
            .map(|decoded| decoded.err().map(Settlement::Park))
            .collect();
        let mut handled = self.hand_over(&events).await?.into_iter();
        let mut settled = Vec::with_capacity(batch.len());
        let mut again = Vec::new();
        for (delivery, settlement) in batch.into_iter().zip(settlements) {
            let settlement = settlement.or_else(|| handled.next());
            match self.decide(&delivery, settlement) {
                Settlement::Done => settled.push(delivery.entry.id),
                Settlement::Park(parking) => {
                    self.park(&delivery, &parking).await?;
                    settled.push(delivery.entry.id);
                }
                Settlement::Retry(_) => {
                    again.push(Delivery {
                        attempts: delivery.attempts + 1,
                        ..delivery
                    });
                }
            }
        }
        let ids: Vec<&str> = settled.iter().map(String::as_str).collect();
        self.membership
            .acknowledge(&self.stream_store, &ids)
            .await?;
        Ok(again)
    }

    /// Acts on entries that were read again without the group, because the own store was restarted. Nothing is
    /// acknowledged, and what failed the first time was set aside then.
    pub(crate) async fn repeat(&self, entries: &[Entry]) -> Result<(), RedisError> {
        let events: Vec<H::Event> = entries
            .iter()
            .filter_map(|entry| decode(entry).ok())
            .collect();
        self.hand_over(&events).await.map(drop)
    }

    /// Settles entries that this consumer held when its process died, or that belonged to a consumer which did.
    ///
    /// One of them may be what killed it. Those that were recovered before are therefore handed over alone, each
    /// counted before its turn, so that the culprit reaches its limit and its neighbours do not.
    pub(crate) async fn settle_recovered(
        &self,
        entries: Vec<Entry>,
    ) -> Result<Vec<Delivery>, RedisError> {
        let counts = self.recovery_counts(&entries).await?;
        let (suspects, fresh): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .zip(counts)
            .map(|(entry, attempts)| Delivery { entry, attempts })
            .partition(|delivery| delivery.attempts > 0);
        self.count_recovery(&fresh).await?;
        let mut recovered: Vec<String> = fresh
            .iter()
            .map(|delivery| delivery.entry.id.clone())
            .collect();
        let mut again = self.settle(fresh).await?;
        for suspect in suspects {
            recovered.push(suspect.entry.id.clone());
            if suspect.attempts >= MAX_ATTEMPTS {
                self.park_and_acknowledge(&suspect).await?;
                continue;
            }
            self.count_recovery(std::slice::from_ref(&suspect)).await?;
            again.extend(self.settle(vec![suspect]).await?);
        }
        if !recovered.is_empty() {
            let forget = Command::new("HDEL")
                .key(self.partition.key(ATTEMPTS))
                .args(recovered);
            self.own_store.run(forget).await?;
        }
        Ok(again)
    }

    async fn hand_over(&self, events: &[H::Event]) -> Result<Vec<Settlement>, RedisError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        match self.handler.handle(events).await {
            Err(RedisError::Refused(error)) => Ok(vec![Settlement::Retry(error); events.len()]),
            settlements => settlements,
        }
    }

    /// A retry too many is a parking.
    fn decide(&self, delivery: &Delivery, settlement: Option<Settlement>) -> Settlement {
        let stream = &self.membership.stream;
        let entry = &delivery.entry.id;
        let missing =
            || Settlement::Retry("the handler answered fewer settlements than events".to_owned());
        match settlement.unwrap_or_else(missing) {
            Settlement::Retry(error) if delivery.attempts + 1 >= MAX_ATTEMPTS => {
                Settlement::Park(Parking {
                    reason: "max_deliveries",
                    detail: error,
                })
            }
            Settlement::Retry(error) => {
                tracing::warn!(
                    stream,
                    entry,
                    attempt = delivery.attempts + 1,
                    error,
                    "will try again"
                );
                Settlement::Retry(error)
            }
            settlement => settlement,
        }
    }

    async fn park_and_acknowledge(&self, delivery: &Delivery) -> Result<(), RedisError> {
        let detail = "handed over again and again, and the process died each time".to_owned();
        self.park(
            delivery,
            &Parking {
                reason: "max_deliveries",
                detail,
            },
        )
        .await?;
        self.membership
            .acknowledge(&self.stream_store, &[&delivery.entry.id])
            .await
    }

    async fn park(&self, delivery: &Delivery, parking: &Parking) -> Result<(), RedisError> {
        let dead_letters = DeadLetters {
            store: &self.own_store,
            partition: self.partition,
        };
        dead_letters.park(&self.membership, delivery, parking).await
    }

    async fn recovery_counts(&self, entries: &[Entry]) -> Result<Vec<u32>, RedisError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let ids = entries.iter().map(|entry| entry.id.as_str());
        let counts = Command::new("HMGET")
            .key(self.partition.key(ATTEMPTS))
            .args(ids);
        let counts = self.own_store.run(counts).await?.list()?;
        Ok(counts
            .iter()
            .map(|count| {
                count
                    .int()
                    .ok()
                    .and_then(|n| n.try_into().ok())
                    .unwrap_or(0)
            })
            .collect())
    }

    async fn count_recovery(&self, deliveries: &[Delivery]) -> Result<(), RedisError> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let mut count = Command::new("HSET").key(self.partition.key(ATTEMPTS));
        for delivery in deliveries {
            count = count
                .arg(delivery.entry.id.as_str())
                .arg(i64::from(delivery.attempts) + 1);
        }
        self.own_store.run(count).await.map(drop)
    }
}

fn decode<E: Event>(entry: &Entry) -> Result<E, Parking> {
    let trimmed = || Parking {
        reason: "entry_trimmed",
        detail: "the entry was removed from the stream while it was pending".to_owned(),
    };
    let fields: &RawFields = entry.fields.as_ref().ok_or_else(trimmed)?;
    E::decode(fields).map_err(|error: DecodeError| Parking {
        reason: error.reason(),
        detail: error.to_string(),
    })
}
