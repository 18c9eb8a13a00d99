//! A private API process with a client, and a private store without any process.

use std::ops::Deref;
use std::time::Duration;

use inventory::domain::{ApplyOutcome, Deletion, Movement, NewProduct, Product};
use inventory::store::ProductStore;
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestId, TraceParent};
use shared::redis::Redis;
use shared::store::claim::Once;
use shared::store::condition::Condition;
use shared::store::partition::Partitions;
use stack::client::Site;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;
use stack::system::System;

pub(crate) use stack::client::{Answer, read_to_end};

/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// What each product is called, where a test does not say otherwise.
pub(crate) const PRODUCT_NAME: &str = "Tea";
/// How long the records of orders are kept, where a test does not say otherwise.
pub(crate) const KEEP: Duration = Duration::from_hours(30 * 24);
/// The most movements that a test reads at once.
const MOVEMENTS: usize = 200;

/// The process `inventory serve` on a private store, and a client of it.
pub(crate) struct Service {
    pub(crate) system: System,
    site: Site,
}

/// A private store of inventory: as the service sees it, and as its operator does.
pub(crate) struct TestStore {
    pub(crate) store: ProductStore,
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
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts it with these settings.
    pub(crate) async fn start_with(env: &[(&str, &str)]) -> Self {
        let builder = System::builder()
            .without("inventory consume")
            .without("payments serve")
            .without("payments consume");
        let system = builder.envs(env).start().await.unwrap();
        let site = Site::new(system.inventory_url());
        Self { system, site }
    }

    /// The store of the service, as its consumer has it.
    pub(crate) fn store(&self) -> ProductStore {
        let url = self.system.inventory_redis().url(User::Inventory);
        ProductStore::new(Redis::worker(&url.parse().unwrap()), Partitions::NONE)
    }

    /// Creates a product and answers its id.
    pub(crate) async fn create(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "price": "1", "quantity": 1 });
        self.post("/products", body.to_string()).await.created_id()
    }

    /// Applies paid orders in the store of the service.
    pub(crate) async fn apply(&self, orders: &[OrderCompleted]) -> Vec<ApplyOutcome> {
        self.store().apply_orders(orders, KEEP).await.unwrap()
    }
}

impl TestStore {
    pub(crate) async fn start(partitions: Partitions) -> Self {
        let private = PrivateStore::start(Owner::Inventory).await.unwrap();
        let store = ProductStore::new(private.client(User::Inventory).unwrap(), partitions);
        store.own.adopt().await.unwrap();
        Self { store, private }
    }

    /// Creates a product with this stock.
    pub(crate) async fn product(&self, quantity: u32) -> ProductId {
        let new = NewProduct {
            name: PRODUCT_NAME.parse().unwrap(),
            price: "19.90".parse().unwrap(),
            quantity,
        };
        let Once::Now(product) = self.store.create_product(new, None).await.unwrap() else {
            panic!("a product without a key was created before");
        };
        product.id
    }

    /// A product that exists.
    pub(crate) async fn find(&self, id: ProductId) -> Product {
        self.store.find_product(id).await.unwrap().unwrap()
    }

    /// The stock of a product that exists.
    pub(crate) async fn stock(&self, id: ProductId) -> u32 {
        self.find(id).await.quantity
    }

    /// The movements of a product, the newest first.
    pub(crate) async fn movements(&self, id: ProductId) -> Vec<Movement> {
        let page = self.store.list_movements(id, None, MOVEMENTS).await;
        page.unwrap().unwrap().items
    }

    /// Deletes a product of any version.
    pub(crate) async fn remove(&self, id: ProductId) -> Deletion {
        let deleted = self.store.delete_product(id, &Condition::NONE).await;
        deleted.unwrap()
    }

    /// Applies paid orders, whose records are kept for [`KEEP`].
    pub(crate) async fn apply(&self, orders: &[OrderCompleted]) -> Vec<ApplyOutcome> {
        self.store.apply_orders(orders, KEEP).await.unwrap()
    }

    /// Applies one paid order.
    pub(crate) async fn apply_one(&self, order: &OrderCompleted) -> ApplyOutcome {
        self.apply(std::slice::from_ref(order)).await[0]
    }

    /// The time of the store, in milliseconds.
    pub(crate) async fn now_ms(&self) -> u64 {
        let partition = self.store.own.partitions().all().next().unwrap();
        self.store.own.now(partition).await.unwrap().as_millis()
    }
}

/// A paid order, placed just now.
pub(crate) fn order(product_id: ProductId, quantity: u32) -> OrderCompleted {
    order_with_id(OrderId::mint(), product_id, quantity)
}

/// A paid order whose id was minted at `ms`.
pub(crate) fn order_minted_at(ms: u64, product_id: ProductId, quantity: u32) -> OrderCompleted {
    let minted = OrderId::mint().to_string();
    let text = format!("{:08x}-{:04x}{}", ms >> 16, ms & 0xffff, &minted[13..]);
    order_with_id(text.parse().unwrap(), product_id, quantity)
}

fn order_with_id(order_id: OrderId, product_id: ProductId, quantity: u32) -> OrderCompleted {
    let ordered_at = order_id.minted_at().unwrap();
    OrderCompleted {
        order_id,
        ordered_at,
        product_id,
        quantity,
        price: "1.00".parse().unwrap(),
        fee: "0.20".parse().unwrap(),
        total: "1.20".parse().unwrap(),
        time: Timestamp::from_millis(ordered_at.as_millis()),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}
