//! One running system, and the calls with which tests use it.

use std::num::NonZeroU16;
use std::time::Duration;

use futures_util::future::join_all;
use proof::{order_line, shim};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::store::partition::Partitions;
use stack::role::Role;
use stack::system::{Builder, System};
use stack::wait::eventually;

pub(crate) use event::completed;
pub(crate) use stack::client::Answer;
pub(crate) use store::{Store, unrest, wait_drained};
pub(crate) use traffic::{Traffic, insist};

mod event;
pub(crate) mod files;
pub(crate) mod live;
pub(crate) mod programs;
mod readiness;
mod store;
mod traffic;

/// How long a test waits for a condition. Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Entries of one batch that a test emits.
const EMIT_BATCH: usize = 500;

/// A running system with clients for its services and its stores.
pub(crate) struct Shop {
    pub(crate) system: System,
    pub(crate) inventory: Store,
    pub(crate) payments: Store,
    http: Client,
}

impl Shop {
    /// A system with a short delay and with prices that are read anew for each order. It soon
    /// notices dead consumers.
    pub(crate) fn builder() -> Builder {
        System::builder()
            .limited()
            .env("COMPLETION_DELAY", "100ms")
            .env("PRODUCT_CACHE_TTL", "0")
            .env("RECLAIM_IDLE", "1s")
    }

    /// The same, with stores whose clocks can be moved and whose disks can be filled.
    pub(crate) fn shimmed() -> Builder {
        Self::builder().store_environment(shim::environment())
    }

    pub(crate) async fn open() -> Self {
        Self::start(Self::builder()).await
    }

    pub(crate) async fn start(builder: Builder) -> Self {
        Self::start_with(builder, Partitions::NONE).await
    }

    /// A system whose keys are spread over `count` partitions.
    pub(crate) async fn open_partitioned(count: u16) -> Self {
        Self::start_partitioned(Self::builder(), count).await
    }

    pub(crate) async fn start_partitioned(builder: Builder, count: u16) -> Self {
        let partitions = Partitions::new(NonZeroU16::new(count).unwrap());
        Self::start_with(builder.partitions(count), partitions).await
    }

    async fn start_with(builder: Builder, partitions: Partitions) -> Self {
        let system = builder.start().await.unwrap();
        let inventory = Store::new(system.inventory_redis(), partitions);
        let payments = Store::new(system.payments_redis(), partitions);
        Self {
            system,
            inventory,
            payments,
            http: client(),
        }
    }

    /// A request to inventory.
    pub(crate) fn to_inventory(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.system.inventory_url());
        self.http.request(method, url)
    }

    /// A request to payments.
    pub(crate) fn to_payments(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.system.payments_url());
        self.http.request(method, url)
    }

    /// Creates a product with this stock.
    pub(crate) async fn create_product(&self, name: &str, quantity: u32) -> ProductId {
        let body = serde_json::json!({"name": name, "price": "2.50", "quantity": quantity});
        let request = self.to_inventory(Method::POST, "/products").json(&body);
        let answer = Answer::to(request).await.expect(201);
        answer.text("id").parse().unwrap()
    }

    /// Places an order, which must be accepted.
    pub(crate) async fn place_order(&self, product: ProductId, quantity: u32) -> (OrderId, Value) {
        let answer = self.try_order(product, quantity).await.expect(201);
        (answer.text("id").parse().unwrap(), answer.json())
    }

    /// Places an order, and returns any answer.
    pub(crate) async fn try_order(&self, product: ProductId, quantity: u32) -> Answer {
        Answer::to(self.order_request(product, quantity)).await
    }

    pub(crate) fn order_request(&self, product: ProductId, quantity: u32) -> RequestBuilder {
        let body = serde_json::json!({"product_id": product, "quantity": quantity});
        self.to_payments(Method::POST, "/orders").json(&body)
    }

    /// Cancels an order, and returns any answer.
    pub(crate) async fn cancel(&self, id: OrderId) -> Answer {
        Answer::to(self.to_payments(Method::POST, &format!("/orders/{id}/cancel"))).await
    }

    /// An order as payments shows it.
    pub(crate) async fn order(&self, id: OrderId) -> Value {
        let request = self.to_payments(Method::GET, &format!("/orders/{id}"));
        Answer::to(request).await.expect(200).json()
    }

    /// Waits until an order has this status, and returns it.
    pub(crate) async fn wait_status(&self, id: OrderId, status: &str) -> Value {
        eventually(&format!("order {id} to be {status}"), async || {
            let order = self.order(id).await;
            (order["status"] == status).then_some(order)
        })
        .await
    }

    /// All orders, newest first, read page by page.
    pub(crate) async fn orders(&self) -> Vec<Value> {
        let page = async |path: &str| Answer::to(self.to_payments(Method::GET, path)).await;
        pages(page, "/orders?limit=100").await
    }

    /// The stock that inventory shows.
    pub(crate) async fn stock(&self, product: ProductId) -> u64 {
        let request = self.to_inventory(Method::GET, &format!("/products/{product}"));
        let product = Answer::to(request).await.expect(200).json();
        product["quantity"].as_u64().unwrap()
    }

    /// The number of movements of a product, its creation included.
    pub(crate) async fn movements(&self, product: ProductId) -> u64 {
        self.inventory.length(&format!("movements:{product}")).await
    }

    /// Emits these `order_completed` events in this order, as payments would.
    pub(crate) async fn emit(&self, events: &[OrderCompleted]) {
        for batch in events.chunks(EMIT_BATCH) {
            join_all(batch.iter().map(|event| {
                let stream = self.payments.partitions.of(event.order_id);
                let fields = event.encode();
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.into(), value.into()));
                self.payments
                    .add(stream.key(OrderCompleted::STREAM), fields.collect())
            }))
            .await;
        }
    }

    /// Waits until no work is left: no order is pending, and both groups have received and
    /// acknowledged every entry.
    pub(crate) async fn wait_drained(&self) {
        wait_drained(&self.inventory, &self.payments).await;
    }

    /// Accepts that the store of this role's service has lost data, and waits until all is ready.
    pub(crate) async fn adopt(&self, role: Role) {
        let adopted = self.run(role, &["adopt-store"]).await;
        assert!(adopted.status.success(), "{}", programs::text(&adopted));
        self.system.wait_ready().await.unwrap();
    }

    /// How many events of paid orders were given to inventory and are not acknowledged.
    pub(crate) async fn unacknowledged(&self) -> u64 {
        let payments = &self.payments;
        let group = payments.group(OrderCompleted::STREAM, OrderCompleted::GROUP);
        group.await.unwrap().pending
    }

    /// Waits until one event is given to inventory and not acknowledged.
    pub(crate) async fn wait_given(&self) {
        eventually("the event to be given to inventory", async || {
            self.unacknowledged().await == 1
        })
        .await;
    }

    /// Waits until both consumer groups exist.
    pub(crate) async fn wait_groups(&self) {
        eventually("both groups to be made again", async || {
            let completed = self.payments.has_group::<OrderCompleted>();
            completed.await && self.inventory.has_group::<RefundOrder>().await
        })
        .await;
    }

    /// Writes this stock into inventory's store, without a movement.
    pub(crate) async fn set_stock(&self, product: ProductId, quantity: u32) {
        let key = format!("product:{product}");
        let line = self.inventory.ask("GET", &[&key]).await.text().unwrap();
        let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        words[1] = quantity.to_string();
        self.inventory.ask("SET", &[&key, &words.join(" ")]).await;
    }

    /// Removes inventory's record of an order.
    pub(crate) async fn forget_record(&self, order: OrderId) {
        let records = format!(
            "records:{}",
            order.minted_at().unwrap().as_millis() / HOUR_MS
        );
        let gone = self
            .inventory
            .ask("HDEL", &[&records, &order.to_string()[6..]])
            .await;
        assert_eq!(gone.int().unwrap(), 1, "{order} was not recorded");
    }

    /// Changes the line of an order in payments' store.
    pub(crate) async fn change_order(&self, id: OrderId, change: impl FnOnce(&mut Vec<String>)) {
        let key = format!("order:{id}");
        let line = self.payments.ask("GET", &[&key]).await.text().unwrap();
        let line = order_line::changed(&line, change);
        self.payments.ask("SET", &[&key, &line]).await;
    }

    /// Waits until no work is left, and asserts that there is no dead letter.
    pub(crate) async fn assert_quiet(&self) {
        self.wait_drained().await;
        assert_eq!(self.inventory.dead_letters().await, []);
        assert_eq!(self.payments.dead_letters().await, []);
    }
}

/// The items of all pages from `first` on.
pub(crate) async fn pages(page: impl AsyncFn(&str) -> Answer, first: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let page = page(&path).await.expect(200);
        items.extend(page.items());
        next = page.next_page();
    }
    items
}

/// A client for both services.
pub(crate) fn client() -> Client {
    stack::client::client(LIMIT).unwrap()
}

/// A time in a body, in milliseconds since 1970.
pub(crate) fn millis(body: &Value, field: &str) -> u64 {
    let time: Timestamp = body[field].as_str().unwrap().parse().unwrap();
    time.as_millis()
}

/// The number of orders with this status.
pub(crate) fn count(orders: &[Value], status: &str) -> usize {
    let found = orders.iter().filter(|order| order["status"] == status);
    found.count()
}
