//! What the store tells about an item or a write.

use shared::contract::event::Event;
use shared::redis::{Command, RedisError, Reply};
use shared::store::partition::Partition;

use super::{ItemStore, calls, reply};
use crate::domain::{Item, ItemId, Ticket, TicketId, WriteQueued};
use crate::keys;

/// The fields of an item. A number leads the reply, because the client takes certain texts at its
/// beginning for something else.
const ITEM: [&str; 3] = ["version", "updated_at", "value"];
/// The fields of a ticket; a number leads here too.
const TICKET: [&str; 8] = [
    "version",
    "status",
    "item",
    "queued_at",
    "ended_at",
    "superseded",
    "reason",
    "entry",
];
/// Why a write failed whose entry is missing.
const REMOVED: &str =
    "removed: the stream lost the entry of the write before a worker had applied it";

impl ItemStore {
    /// Finds an item. An item whose first write still waits does not exist yet.
    pub async fn find_item(&self, id: &ItemId) -> Result<Option<Item>, RedisError> {
        let partition = keys::partition_of(self.own.partitions(), id);
        let fields = self
            .fields(partition, keys::item(partition, id), ITEM)
            .await?;
        fields.map(|fields| reply::item(id, fields)).transpose()
    }

    /// Finds a ticket. If the stream has lost the entry of a write that waits, no worker will ever
    /// apply the write, so it fails now. An entry stays in the stream until its write has ended,
    /// unless a person removes it.
    pub async fn find_ticket(&self, id: TicketId) -> Result<Option<Ticket>, RedisError> {
        let Some((ticket, entry)) = self.read_ticket(id).await? else {
            return Ok(None);
        };
        let partition = self.own.partitions().of(id);
        let stream = partition.key(WriteQueued::STREAM);
        if ticket.has_ended() || self.has_entry(&stream, entry).await? {
            return Ok(Some(ticket));
        }
        // The function looks again: a worker that read the entry before may be applying the write.
        let write = (id, &ticket.item_id, ticket.version);
        let call = calls::fail_write(partition, write, REMOVED, self.kept).key(stream);
        self.own.call(partition, &call).await?;
        Ok(self.read_ticket(id).await?.map(|(ticket, _)| ticket))
    }

    /// A ticket, and the entry of its write if the write waits.
    async fn read_ticket(
        &self,
        id: TicketId,
    ) -> Result<Option<(Ticket, Option<String>)>, RedisError> {
        let partition = self.own.partitions().of(id);
        let key = keys::ticket(partition, id);
        let fields = self.fields(partition, key, TICKET).await?;
        fields.map(|fields| reply::ticket(id, fields)).transpose()
    }

    async fn has_entry(&self, stream: &str, entry: Option<String>) -> Result<bool, RedisError> {
        let Some(entry) = entry else {
            return Ok(true);
        };
        let range = Command::new("XRANGE").key(stream).args([&*entry, &*entry]);
        Ok(!self.own.run(range).await?.entries()?.is_empty())
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
