//! A private API process beside a fake inventory, and a private store without any process.

use std::ops::Deref;
use std::time::Duration;

use payments::domain::{Order, PlaceOrder, Quote};
use payments::store::OrderStore;
use reqwest::Method;
use shared::contract::event::{RefundOrder, RefundReason};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestContext, RequestId, TraceParent};
use shared::redis::{Command, Redis, RedisError, Reply};
use shared::store::claim::{Claim, Once};
use shared::store::partition::{Partition, Partitions};
use stack::client::Site;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;
use stack::system::System;

use crate::fake_inventory::FakeInventory;

pub(crate) use stack::client::Answer;

/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The delay of orders that stay pending during a test.
pub(crate) const LATER: Duration = Duration::from_hours(1);

/// The process `payments serve` on a private store, the inventory it asks, and a client of it.
pub(crate) struct Service {
    pub(crate) system: System,
    pub(crate) inventory: FakeInventory,
    site: Site,
}

/// A private store of payments: as the service sees it, and as its operator does.
pub(crate) struct TestStore {
    /// Orders that it places are due at once.
    pub(crate) store: OrderStore,
    /// The same store; orders that it places are due [`LATER`].
    pub(crate) later: OrderStore,
    private: PrivateStore,
}

impl Deref for Service {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Deref for TestStore {
    type Target = PrivateStore;

    fn deref(&self) -> &PrivateStore {
        &self.private
    }
}

impl Service {
    /// Starts it with these settings. Orders are due at once, but nobody completes them unless the
    /// test does.
    pub(crate) async fn start(env: &[(&str, &str)]) -> Self {
        let inventory = FakeInventory::start().await;
        let builder = System::builder()
            .without("inventory serve")
            .without("inventory consume")
            .without("payments consume")
            .env("INVENTORY_URL", inventory.url())
            .env("COMPLETION_DELAY", "0");
        let system = builder.envs(env).start().await.unwrap();
        let site = Site::new(system.payments_url());
        Self {
            system,
            inventory,
            site,
        }
    }

    pub(crate) async fn order(&self, product: ProductId, quantity: u32) -> Answer {
        self.post("/orders", order_body(product, quantity)).await
    }

    pub(crate) async fn order_with_key(
        &self,
        key: &str,
        product: ProductId,
        quantity: u32,
    ) -> Answer {
        let key = [("idempotency-key", key)];
        let body = order_body(product, quantity);
        self.send(Method::POST, "/orders", &key, &body).await
    }

    pub(crate) async fn cancel(&self, id: &str) -> Answer {
        self.post(&format!("/orders/{id}/cancel"), "").await
    }

    /// How many orders there are.
    pub(crate) async fn count_orders(&self) -> usize {
        self.get("/orders?limit=100").await.items().len()
    }

    /// The store of the service, as another process would use it.
    pub(crate) fn store(&self) -> OrderStore {
        OrderStore::new(self.redis(User::Payments), Partitions::NONE, Duration::ZERO)
    }

    /// Pays what is due, as the consumer process would.
    pub(crate) async fn complete(&self) -> usize {
        let completion = self.store().complete_due(only_partition()).await;
        completion.unwrap().paid.len()
    }

    /// A client of the store of the service.
    pub(crate) fn redis(&self, user: User) -> Redis {
        Redis::worker(&self.system.payments_redis().url(user).parse().unwrap())
    }

    /// Sends a command to the store as its operator.
    pub(crate) async fn operate(&self, command: Command) -> Reply {
        self.redis(User::Operator).run(command).await.unwrap()
    }

    /// How often a command was called, by the service or by a function, since the store was started.
    pub(crate) async fn calls(&self, command: &str) -> u64 {
        let info = self.operate(Command::new("INFO").arg("commandstats")).await;
        let (info, name) = (info.text().unwrap(), format!("cmdstat_{command}:calls="));
        let line = info.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }
}

impl TestStore {
    pub(crate) async fn start(partitions: Partitions) -> Self {
        let private = PrivateStore::start(Owner::Payments).await.unwrap();
        let redis = private.client(User::Payments).unwrap();
        let store = OrderStore::new(redis.clone(), partitions, Duration::ZERO);
        let later = OrderStore::new(redis, partitions, LATER);
        store.own.adopt().await.unwrap();
        Self {
            store,
            later,
            private,
        }
    }

    /// The time of the store, in milliseconds.
    pub(crate) async fn now_ms(&self) -> u64 {
        let now = self.store.own.now(only_partition()).await;
        now.unwrap().as_millis()
    }
}

/// Three pieces of a new product for 19.90 each.
pub(crate) fn wanted() -> (PlaceOrder, Quote) {
    let wanted = PlaceOrder {
        product_id: ProductId::mint(),
        quantity: 3,
    };
    let quote = Quote::of("19.90".parse().unwrap(), 3, "0.20".parse().unwrap());
    (wanted, quote.unwrap())
}

/// Places an order of three pieces, under a key if there is one.
pub(crate) async fn try_place(
    store: &OrderStore,
    key: Option<&str>,
) -> Result<Once<Order>, RedisError> {
    let (wanted, quote) = wanted();
    let claim = key.map(|key| Claim::new(key.parse().unwrap(), &"POST /orders"));
    let context = RequestContext::mint();
    store
        .place_order(wanted, quote, &context, claim.as_ref())
        .await
}

/// Places an order of three pieces.
pub(crate) async fn place(store: &OrderStore) -> Order {
    match try_place(store, None).await.unwrap() {
        Once::Now(order) => order,
        other => panic!("{other:?}"),
    }
}

/// What inventory emits when it rejects this order.
pub(crate) fn refund(order: &Order) -> RefundOrder {
    refund_of(order.id, order.wanted, RefundReason::InsufficientStock)
}

/// What inventory emits when it rejects an order for this reason.
pub(crate) fn refund_of(
    order_id: OrderId,
    wanted: PlaceOrder,
    reason: RefundReason,
) -> RefundOrder {
    RefundOrder {
        order_id,
        product_id: wanted.product_id,
        quantity: wanted.quantity,
        reason,
        time: Timestamp::from_millis(0),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}

/// The partition of a store that has no partitions.
pub(crate) fn only_partition() -> Partition {
    Partitions::NONE.all().next().unwrap()
}

fn order_body(product: ProductId, quantity: u32) -> String {
    format!(r#"{{"product_id":"{product}","quantity":{quantity}}}"#)
}
