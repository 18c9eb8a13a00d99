//! Dead letters: entries set aside, so that those after them flow.
//!
//! They are kept in the consumer's own store, oldest first, with the fields as they came and what
//! is known about the failure. This is not a function, as other changes are: an entry may have more
//! fields than Lua can pass on. A crash between the two writes leaves a dead letter twice rather
//! than not at all.

use crate::delivery::{Delivery, Parking};
use crate::digest::digest;
use crate::group::Membership;
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Command, Entry, RedisError};

/// The stream of dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// Hash from entry to dead letter id: an entry that is delivered again is not set aside again. An
/// entry is known by its id and a digest of its fields, because a stream that lost its tail may
/// give the same id again to another event.
const DEAD_LETTER_IDS: &str = "dead_letter_ids";

/// The dead letters of one partition.
pub(crate) struct DeadLetters<'a> {
    pub(crate) store: &'a OwnStore,
    pub(crate) partition: Partition,
}

impl DeadLetters<'_> {
    /// Sets an entry aside. The caller acknowledges it afterwards.
    pub(crate) async fn park(
        &self,
        membership: &Membership,
        delivery: &Delivery,
        parking: &Parking,
    ) -> Result<(), RedisError> {
        let entry = &delivery.entry;
        let ids = self.partition.key(DEAD_LETTER_IDS);
        let name = unmistakable_name(entry);
        let known = Command::new("HEXISTS").key(ids.as_str()).arg(name.as_str());
        if self.store.run(known).await?.int()? == 1 {
            return Ok(());
        }
        let Parking { reason, detail } = parking;
        let Membership { stream, group, consumer } = membership;
        let attempts = i64::from(delivery.attempts) + 1;
        let mut add = Command::new("XADD")
            .key(self.partition.key(DEAD_LETTERS))
            .args(["*", "dl_reason", *reason, "dl_error", detail, "dl_stream", stream])
            .args(["dl_entry_id", &entry.id, "dl_group", *group, "dl_consumer", consumer])
            .arg("dl_attempts")
            .arg(attempts);
        for (name, value) in entry.fields.iter().flatten() {
            add = add.arg(name.clone()).arg(value.clone());
        }
        let dead_letter = self.store.run(add).await?.text()?;
        tracing::error!(
            stream,
            entry = entry.id,
            reason,
            detail,
            dead_letter,
            "parked: somebody has to look at this entry"
        );
        let remember = Command::new("HSET").key(ids).arg(name).arg(dead_letter);
        self.store.run_confirmed(remember).await.map(drop)
    }
}

fn unmistakable_name(entry: &Entry) -> String {
    let fields = entry.fields.iter().flatten().flat_map(|(name, value)| [name, value]);
    let bytes: Vec<u8> = fields.flat_map(|field| field.iter().copied().chain([0])).collect();
    format!("{} {}", entry.id, digest(bytes))
}
