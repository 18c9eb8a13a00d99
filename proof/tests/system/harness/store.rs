//! One store, as its operator sees it.

use bytes::Bytes;
use shared::contract::event::{Event, OrderCompleted, RawFields, RefundOrder};
use shared::redis::{Command, Entry, Redis, RedisError, RedisUrl, Reply};
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::redis::RedisServer;
use stack::wait::{eventually, wait_until};

use super::LIMIT;

/// A client of one store with all rights.
pub(crate) struct Store {
    pub(crate) partitions: Partitions,
    redis: Redis,
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    /// Entries that were delivered and are not acknowledged.
    pub(crate) pending: u64,
    /// The newest entry that was delivered.
    pub(crate) last_delivered: String,
    pub(crate) consumers: u64,
}

/// A dead letter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    pub(crate) reason: String,
    pub(crate) attempts: String,
    pub(crate) entry_id: String,
    /// The fields of the entry, byte for byte.
    pub(crate) fields: RawFields,
}

impl Store {
    pub(crate) fn new(server: &RedisServer, partitions: Partitions) -> Self {
        let url: RedisUrl = server.url(User::Operator).parse().unwrap();
        Self::of(Redis::worker(&url), partitions)
    }

    /// A store that is reached through this client of its operator.
    pub(crate) fn of(redis: Redis, partitions: Partitions) -> Self {
        Self { partitions, redis }
    }

    /// Repeats a command until the store answers. The command must do no harm if it runs twice.
    pub(crate) async fn ask(&self, command: &'static str, args: &[&str]) -> Reply {
        self.try_ask(command, args)
            .await
            .unwrap_or_else(|error| panic!("{command} {args:?}: {error}"))
    }

    /// Adds an entry to a stream and returns its id.
    pub(crate) async fn add(&self, stream: String, fields: RawFields) -> String {
        let pairs = fields.into_iter().flat_map(|(name, value)| [name, value]);
        let add = Command::new("XADD").key(stream).arg("*").args(pairs);
        self.redis.run(add).await.unwrap().text().unwrap()
    }

    /// All entries of a stream.
    pub(crate) async fn entries(&self, stream: &str) -> Vec<Entry> {
        let entries = self.ask("XRANGE", &[stream, "-", "+"]).await;
        entries.entries().unwrap()
    }

    /// The number of entries of a stream.
    pub(crate) async fn length(&self, stream: &str) -> u64 {
        self.ask("XLEN", &[stream]).await.unsigned().unwrap()
    }

    /// The values of one field in all entries of a stream.
    pub(crate) async fn column(&self, stream: &str, field: &str) -> Vec<String> {
        let entries = self.entries(stream).await;
        let value = |entry: Entry| find(&entry.fields.unwrap(), field);
        entries.into_iter().map(value).collect()
    }

    /// The group that reads a stream; `None` while it does not exist.
    pub(crate) async fn group(&self, stream: &str, name: &str) -> Option<Group> {
        let groups = self.try_ask("XINFO", &["GROUPS", stream]).await.ok()?;
        let named = |group: &Reply| group.clone().field("name").unwrap().text().unwrap() == name;
        let group = groups.list().unwrap().into_iter().find(named)?;
        let field = |name| group.clone().field(name).unwrap();
        Some(Group {
            pending: field("pending").unsigned().unwrap(),
            last_delivered: field("last-delivered-id").text().unwrap(),
            consumers: field("consumers").unsigned().unwrap(),
        })
    }

    /// Whether every partition has the group of `E`.
    pub(crate) async fn has_group<E: Event>(&self) -> bool {
        for partition in self.partitions.all() {
            if self
                .group(&partition.key(E::STREAM), E::GROUP)
                .await
                .is_none()
            {
                return false;
            }
        }
        true
    }

    /// What the group of `E` has not settled yet, as a sentence; `None` if it has settled
    /// everything.
    pub(crate) async fn backlog<E: Event>(&self) -> Option<String> {
        for partition in self.partitions.all() {
            let stream = partition.key(E::STREAM);
            let Some(group) = self.group(&stream, E::GROUP).await else {
                return Some(format!("{stream} has no group {}", E::GROUP));
            };
            let info = self.ask("XINFO", &["STREAM", &stream]).await;
            let last = info.field("last-generated-id").unwrap().text().unwrap();
            if group.pending > 0 || group.last_delivered != last {
                return Some(format!("{stream} is at {last}, its group at {group:?}"));
            }
        }
        None
    }

    /// All dead letters, oldest first.
    pub(crate) async fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut letters = Vec::new();
        for partition in self.partitions.all() {
            let entries = self.entries(&partition.key("dead_letters")).await;
            letters.extend(entries.into_iter().map(DeadLetter::read));
        }
        letters
    }

    /// Why each entry was set aside, oldest first.
    pub(crate) async fn reasons(&self) -> Vec<String> {
        let letters = self.dead_letters().await.into_iter();
        letters.map(|letter| letter.reason).collect()
    }

    async fn try_ask(&self, command: &'static str, args: &[&str]) -> Result<Reply, RedisError> {
        eventually(&format!("an answer to {command}"), async || {
            let command = Command::new(command).args(args.iter().copied());
            // In a cluster the tag of the key names the node.
            let command = match args.iter().find(|arg| arg.contains('{')) {
                Some(key) => command.to_owner_of(key),
                None => command,
            };
            match self.redis.run(command).await {
                Err(RedisError::Unavailable { .. }) => None,
                answer => Some(answer),
            }
        })
        .await
    }
}

impl DeadLetter {
    fn read(entry: Entry) -> Self {
        let all = entry.fields.unwrap();
        let is_ours = |(name, _): &(Bytes, Bytes)| name.starts_with(b"dl_");
        Self {
            reason: find(&all, "dl_reason"),
            attempts: find(&all, "dl_attempts"),
            entry_id: find(&all, "dl_entry_id"),
            fields: all.into_iter().skip_while(is_ours).collect(),
        }
    }
}

fn find(fields: &RawFields, name: &str) -> String {
    let found = fields.iter().find(|(field, _)| field == name);
    let (_, value) = found.unwrap_or_else(|| panic!("no {name} in {fields:?}"));
    String::from_utf8(value.to_vec()).unwrap()
}

/// What is still to be done. The looks go in the order in which an order travels. So a step that is
/// found done makes no work for the steps that were looked at before it.
pub(crate) async fn unrest(inventory: &Store, payments: &Store) -> Option<String> {
    for partition in payments.partitions.all() {
        let due = partition.key("due");
        let pending = payments.ask("ZCARD", &[&due]).await.unsigned().unwrap();
        if pending > 0 {
            return Some(format!("{pending} orders in {due}"));
        }
    }
    match payments.backlog::<OrderCompleted>().await {
        Some(backlog) => Some(backlog),
        None => inventory.backlog::<RefundOrder>().await,
    }
}

/// Waits until everything is done in both stores: see [`super::Shop::wait_drained`].
pub(crate) async fn wait_drained(inventory: &Store, payments: &Store) {
    let drained = wait_until("the system to come to rest", LIMIT, || async {
        unrest(inventory, payments).await.is_none()
    });
    if let Err(error) = drained.await {
        panic!("{error}: {:?}", unrest(inventory, payments).await);
    }
}
