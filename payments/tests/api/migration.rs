//! A store of layout 0 becomes one of today.

use std::num::NonZeroU16;
use std::time::Duration;

use futures_util::future::join_all;
use payments::domain::OrderFilter;
use payments::store::OrderStore;
use shared::base::shutdown::Shutdown;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::Command;
use shared::store::open::Witness;
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;

/// More than a migration reads at once.
const ORDERS: u64 = 250;
const FIRST_MS: u64 = 1_763_632_806_410;

/// A store as builds left it that knew no layouts: a member for each order, all of score 0.
struct OldStore {
    private: PrivateStore,
    partitions: Partitions,
}

impl OldStore {
    async fn start(partitions: Partitions) -> Self {
        let private = PrivateStore::start(Owner::Payments).await.unwrap();
        let count = partitions
            .count()
            .map(|count| format!(" {count}"))
            .unwrap_or_default();
        let old = Self {
            private,
            partitions,
        };
        for partition in partitions.all() {
            let identity = format!("an-id{count}");
            old.ask(
                Command::new("SET")
                    .key(partition.key("identity"))
                    .arg(identity),
            )
            .await;
        }
        old
    }

    async fn ask(&self, command: Command) {
        self.private.operator.run(command).await.unwrap();
    }

    /// Lists an order as layout 0 does.
    async fn list(&self, id: OrderId) {
        let index = self.partitions.of(id).key("orders");
        self.ask(Command::new("ZADD").key(index).arg("0").arg(id.to_string()))
            .await;
    }

    async fn place(&self, placed_ms: u64) -> OrderId {
        let id = OrderId::mint();
        let RequestContext {
            traceparent,
            request_id,
        } = RequestContext::mint();
        let (product, at) = (ProductId::EXAMPLE, format!("{placed_ms} {placed_ms}"));
        let line = format!("1 1.00 0.20 1.20 {product} {traceparent} {request_id} {at}");
        let key = self.partitions.of(id).key_of("order", id);
        self.ask(Command::new("SET").key(key).arg(line)).await;
        self.list(id).await;
        id
    }

    /// Opens it as a process of this build does.
    async fn open(&self) -> OrderStore {
        let store = OrderStore::new(
            self.private.client(User::Payments).unwrap(),
            self.partitions,
            Duration::ZERO,
        );
        // Nobody asks the other store, because this one has an identity.
        let redis = self.private.operator.clone();
        let witness = Witness {
            redis,
            stream: "refund_order",
            group: "payment-group",
        };
        store.own.open(&witness, &Shutdown::new()).await.unwrap();
        store
    }
}

/// Every order that was placed at or after a time, the newest first.
async fn listed(store: &OrderStore, since_ms: u64) -> Vec<OrderId> {
    let created_after = Some(Timestamp::from_millis(since_ms - 1));
    let filter = OrderFilter {
        created_after,
        ..OrderFilter::default()
    };
    let (mut ids, mut position) = (Vec::new(), None);
    loop {
        let page = store.list_orders(&filter, position, 100).await.unwrap();
        ids.extend(page.items.iter().map(|order| order.id));
        position = page.next;
        if position.is_none() {
            return ids;
        }
    }
}

#[tokio::test]
async fn orders_of_an_older_build_are_listed_by_the_time_they_were_placed() {
    for partitions in [
        Partitions::NONE,
        Partitions::new(NonZeroU16::new(4).unwrap()),
    ] {
        let old = OldStore::start(partitions).await;
        let placed = join_all((0..ORDERS).map(|number| old.place(FIRST_MS + number))).await;
        let store = old.open().await;
        let newest_first: Vec<OrderId> = placed.iter().rev().copied().collect();
        assert_eq!(listed(&store, FIRST_MS).await, newest_first);
        assert_eq!(
            listed(&store, FIRST_MS + ORDERS - 10).await,
            newest_first[..10]
        );
        // Again changes nothing.
        let before = old.private.dump().await;
        old.open().await;
        assert_eq!(old.private.dump().await, before);
    }
}

#[tokio::test]
async fn a_migration_that_was_killed_goes_on_at_the_next_start() {
    let old = OldStore::start(Partitions::NONE).await;
    let placed = join_all((0..ORDERS).map(|number| old.place(FIRST_MS + number))).await;
    // Half of them have their time, and the identity says nothing yet.
    for (number, id) in (0..ORDERS)
        .zip(&placed)
        .filter(|(number, _)| number % 2 == 0)
    {
        let score = (FIRST_MS + number).to_string();
        old.ask(
            Command::new("ZADD")
                .key("orders")
                .arg(score)
                .arg(id.to_string()),
        )
        .await;
    }
    let store = old.open().await;
    assert_eq!(listed(&store, FIRST_MS).await.len(), placed.len());
}

#[tokio::test]
async fn an_order_that_cannot_be_read_is_found_by_an_audit_and_keeps_no_store_closed() {
    let old = OldStore::start(Partitions::NONE).await;
    let readable = old.place(FIRST_MS).await;
    let (missing, damaged, other) = (OrderId::mint(), OrderId::mint(), OrderId::mint());
    for id in [missing, damaged, other] {
        old.list(id).await;
    }
    old.ask(
        Command::new("SET")
            .key(format!("order:{damaged}"))
            .arg("damaged"),
    )
    .await;
    old.ask(Command::new("RPUSH").key(format!("order:{other}")).arg("x"))
        .await;
    let store = old.open().await;
    let since = Some(Timestamp::from_millis(FIRST_MS));
    let page = store.list_records(since, None, 100).await.unwrap();
    let mut found: Vec<OrderId> = page.items.iter().map(|(id, _)| *id).collect();
    found.sort_unstable();
    let mut expected = vec![readable, missing, damaged, other];
    expected.sort_unstable();
    assert_eq!(found, expected);
}
