//! Two private stores, as inventory sees them: the store of the stream that it reads, and its own.

use std::time::Duration;

use futures_util::future::join_all;
use shared::base::health::STALLED_AFTER;
use shared::base::shutdown::Shutdown;
use shared::contract::event::{Event, OrderCompleted};
use shared::redis::{Command, Entry, Redis, RedisUrl, ReplicaAcks, Reply};
use shared::store::open::OpenError;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store};
use shared::stream::consumer::Settings;
use shared::stream::dead_letter::{Bounds, REPORT_INTERVAL};
use shared::stream::group::{Membership, Pace};
use stack::credentials::User;
use stack::redis::{Overrides, Owner, RedisOptions, RedisServer};
use stack::wait::eventually;
use tempfile::TempDir;

use crate::opening::witness;
use crate::script::{Script, order};

mod log;
mod look;
mod running;

pub(crate) use log::Log;
pub(crate) use look::{assert_unknown, calls, entries, field};
pub(crate) use running::Running;

/// Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Longer than any test runs.
pub(crate) const NEVER: Duration = Duration::from_hours(1);
pub(crate) const STREAM: &str = OrderCompleted::STREAM;
pub(crate) const GROUP: &str = OrderCompleted::GROUP;

/// A library with one function, like that of a service.
const LUA: &str = "local function answer(keys, args) return 42 end\nregister('answer', answer)";

/// The layout of the stores of these tests.
pub(crate) const LAYOUT: Layout = Layout {
    service: "test",
    oldest: 1,
    steps: &[],
};

/// The two stores.
pub(crate) struct Stores {
    /// The store of the stream, to which another service writes.
    pub(crate) streams: RedisServer,
    /// The own store of the consumer.
    pub(crate) own: RedisServer,
    /// A user with all rights on the store of the stream.
    pub(crate) emitter: Redis,
    /// A user with all rights on the own store.
    pub(crate) operator: Redis,
    /// How many dead letters consumers keep.
    pub(crate) bounds: Bounds,
    /// Without progress for this long, a consumer counts as stalled.
    pub(crate) stalled_after: Duration,
    _dir: TempDir,
}

impl Stores {
    pub(crate) async fn start() -> Self {
        Self::start_with(Overrides::default()).await
    }

    /// The same, with these settings of the servers changed.
    pub(crate) async fn start_with(overrides: Overrides) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let start = async |store: Owner| {
            let options = RedisOptions::private(store, dir.path().join(store.name()));
            let options = RedisOptions {
                overrides: overrides.clone(),
                ..options.await?
            };
            RedisServer::start(options).await
        };
        let (streams, own) = tokio::join!(start(Owner::Payments), start(Owner::Inventory));
        let (streams, own) = (streams.unwrap(), own.unwrap());
        let stores = Self {
            emitter: Redis::worker(&url(&streams, User::Operator)),
            operator: Redis::worker(&url(&own, User::Operator)),
            streams,
            own,
            bounds: Bounds::SHIPPED,
            stalled_after: STALLED_AFTER,
            _dir: dir,
        };
        // As if everything had been acted on up to now, so that no test sees events twice without
        // asking for it.
        let set = Command::new("SET").key("incarnation");
        stores.operate(set.arg(stores.incarnation().await)).await;
        stores
    }

    /// The own store, as the service sees it.
    pub(crate) fn own_store(&self) -> Store {
        self.own_store_of(Partitions::NONE)
    }

    /// The same, with its keys spread over these partitions.
    pub(crate) fn own_store_of(&self, partitions: Partitions) -> Store {
        let redis = Redis::worker(&url(&self.own, User::Inventory));
        Store::new(redis, LAYOUT, &[LUA], partitions)
    }

    /// Sends a command to the own store.
    pub(crate) async fn operate(&self, command: Command) -> Reply {
        self.operator.run(command).await.unwrap()
    }

    /// Opens the own store as a service does.
    pub(crate) async fn open(&self, store: &Store) -> Result<(), OpenError> {
        store.open(&witness(self), &Shutdown::new()).await
    }

    /// The present incarnation of the own store.
    pub(crate) async fn incarnation(&self) -> String {
        let incarnation = self.own_store().replication_id(partition()).await;
        incarnation.unwrap()
    }

    /// The store of the stream as its owner sees it.
    pub(crate) fn owner_of_stream(&self) -> Store {
        self.owner_of_streams(Partitions::NONE)
    }

    /// The same, with a stream in each of these partitions.
    pub(crate) fn owner_of_streams(&self, partitions: Partitions) -> Store {
        let redis = Redis::worker(&url(&self.streams, User::Payments));
        Store::new(redis, LAYOUT, &[LUA], partitions)
    }

    /// Starts a consumer of this name. It takes over no entries of others while a test runs.
    pub(crate) fn consume(&self, name: &str, script: &Script) -> Running {
        self.consume_after(name, script, NEVER)
    }

    /// The same, but it takes over entries that were pending at another consumer for `idle`.
    pub(crate) fn consume_after(&self, name: &str, script: &Script, idle: Duration) -> Running {
        self.consume_confirmed(name, script, idle, ReplicaAcks::NONE)
    }

    /// The same, but it acts on an entry only once this many replicas have it.
    pub(crate) fn consume_confirmed(
        &self,
        name: &str,
        script: &Script,
        idle: Duration,
        acks: ReplicaAcks,
    ) -> Running {
        let settings = Settings {
            acks,
            reclaim_idle: idle,
            ..self.settings(name)
        };
        self.consume_into(self.own_store(), &settings, script)
    }

    /// The settings of a consumer of this name.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        Settings {
            stream_store: url(&self.streams, User::Inventory),
            acks: ReplicaAcks::NONE,
            name: name.to_owned(),
            reclaim_idle: NEVER,
            dead_letters: self.bounds,
            report_interval: REPORT_INTERVAL,
        }
    }

    /// Emits orders of these quantities in this order, and answers the ids of their entries.
    pub(crate) async fn emit(&self, quantities: impl IntoIterator<Item = u32>) -> Vec<String> {
        let (mut quantities, mut ids) = (quantities.into_iter().peekable(), Vec::new());
        // In pieces, so that a busy machine answers each command in time.
        while quantities.peek().is_some() {
            let added = join_all(quantities.by_ref().take(500).map(|quantity| {
                let fields = order(quantity).encode();
                let words = fields
                    .into_iter()
                    .flat_map(|(name, value)| [name.to_owned(), value]);
                self.emitter
                    .run(Command::new("XADD").key(STREAM).arg("*").args(words))
            }));
            ids.extend(
                added
                    .await
                    .into_iter()
                    .map(|id| id.unwrap().text().unwrap()),
            );
        }
        ids
    }

    /// Delivers `count` new entries to a consumer that does nothing with them.
    pub(crate) async fn give(&self, consumer: &str, count: usize) {
        let reader = Redis::reader(&url(&self.streams, User::Inventory), LIMIT);
        let member = membership(consumer);
        member.ensure_group(&self.emitter).await.unwrap();
        let (mut given, mut pace) = (0, Pace::cautious());
        while given < count {
            let entries = member
                .read_new(&reader, &mut pace, count - given, LIMIT)
                .await;
            given += entries.unwrap().len();
        }
    }

    /// The number of pending entries of the group; `None` if the group does not exist.
    pub(crate) async fn pending(&self) -> Option<u64> {
        self.group("pending").await?.unsigned().ok()
    }

    /// The number of entries that have been pending for this long.
    pub(crate) async fn pending_for(&self, idle: Duration) -> usize {
        let pending = Command::new("XPENDING").key(STREAM).args([GROUP, "IDLE"]);
        let pending = pending
            .arg(idle.as_millis().to_string())
            .args(["-", "+", "10000"]);
        let pending = self.emitter.run(pending).await.unwrap();
        pending.list().unwrap().len()
    }

    /// Whether every entry was delivered to the group and acknowledged.
    pub(crate) async fn is_settled(&self) -> bool {
        let lag = self.group("lag").await.and_then(|lag| lag.unsigned().ok());
        (self.pending().await, lag) == (Some(0), Some(0))
    }

    /// Waits until [`Stores::is_settled`].
    pub(crate) async fn wait_settled(&self) {
        eventually("the end of all entries", || self.is_settled()).await;
    }

    /// Waits until there are this many dead letters, and answers them.
    pub(crate) async fn wait_parked(&self, count: usize) -> Vec<Entry> {
        let parked = eventually("dead letters", async || {
            let parked = entries(&self.operator, "dead_letters").await;
            (parked.len() >= count).then_some(parked)
        })
        .await;
        assert_eq!(parked.len(), count, "{parked:?}");
        parked
    }

    async fn group(&self, field: &'static str) -> Option<Reply> {
        let info = Command::new("XINFO").arg("GROUPS").key(STREAM);
        let groups = self.emitter.run(info).await.ok()?.list().ok()?;
        groups.into_iter().next()?.field(field).ok()
    }
}

/// The one partition of a store without partitions.
pub(crate) fn partition() -> Partition {
    Partitions::NONE.all().next().unwrap()
}

pub(crate) fn membership(consumer: &str) -> Membership {
    Membership {
        stream: STREAM.to_owned(),
        group: GROUP,
        consumer: consumer.to_owned(),
    }
}

pub(crate) fn url(server: &RedisServer, user: User) -> RedisUrl {
    server.url(user).parse().unwrap()
}
