//! What the store tells without changing anything.

use shared::redis::{Command, RedisError, Reply};
use shared::store::partition::Partition;

use super::{ItemStore, reply};
use crate::domain::{Item, ItemId, Ticket, TicketId};
use crate::keys;

/// The fields of an item. A number leads the reply, because the client takes certain texts at its
/// beginning for something else.
const ITEM: [&str; 3] = ["version", "updated_at", "value"];
/// The fields of a ticket; a number leads here too.
const TICKET: [&str; 7] = [
    "version",
    "status",
    "item",
    "queued_at",
    "ended_at",
    "superseded",
    "reason",
];

impl ItemStore {
    /// Finds an item. An item whose first write still waits does not exist yet.
    pub async fn find_item(&self, id: &ItemId) -> Result<Option<Item>, RedisError> {
        let partition = keys::partition_of(self.own.partitions(), id);
        let fields = self
            .fields(partition, keys::item(partition, id), ITEM)
            .await?;
        fields.map(|fields| reply::item(id, fields)).transpose()
    }

    /// Finds a ticket.
    pub async fn find_ticket(&self, id: TicketId) -> Result<Option<Ticket>, RedisError> {
        let partition = self.own.partitions().of(id);
        let key = keys::ticket(partition, id);
        let fields = self.fields(partition, key, TICKET).await?;
        fields.map(|fields| reply::ticket(id, fields)).transpose()
    }

    /// Fields of a hash. `None` says that the first field does not exist; a store that has lost its
    /// data gives an error instead.
    async fn fields<const N: usize>(
        &self,
        partition: Partition,
        key: String,
        names: [&'static str; N],
    ) -> Result<Option<[Reply; N]>, RedisError> {
        let read = Command::new("HMGET").key(key).args(names);
        let fields: [Reply; N] = self.own.run(read).await?.exactly("the fields of a hash")?;
        if fields.first().is_some_and(|first| !first.is_null()) {
            return Ok(Some(fields));
        }
        self.own.confirm_absence(partition).await.map(|()| None)
    }
}
