//! A private API process beside a fake inventory, and a private store without any process.

use std::ops::Deref;
use std::time::Duration;

use payments::store::OrderStore;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use shared::contract::id::ProductId;
use shared::redis::Redis;
use shared::store::partition::{Partition, Partitions};
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;
use stack::system::System;

use crate::fake_inventory::FakeInventory;

/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The delay of orders that stay pending during a test.
pub(crate) const LATER: Duration = Duration::from_hours(1);

/// The process `payments serve` on a private store, the inventory it asks, and a client of it.
pub(crate) struct Service {
    pub(crate) system: System,
    pub(crate) inventory: FakeInventory,
    client: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A private store of payments: as the service sees it, and as its operator does.
pub(crate) struct TestStore {
    /// Orders that it places are due at once.
    pub(crate) store: OrderStore,
    /// The same store; orders that it places are due [`LATER`].
    pub(crate) later: OrderStore,
    private: PrivateStore,
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
        let mut builder = System::builder()
            .without("inventory serve")
            .without("inventory consume")
            .without("payments consume")
            .env("INVENTORY_URL", inventory.url())
            .env("COMPLETION_DELAY", "0");
        for (name, value) in env {
            builder = builder.env(name, value);
        }
        Self {
            system: builder.start().await.unwrap(),
            inventory,
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.system.payments_url());
        self.client.request(method, url)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    /// Sends `body` as JSON, whether it is or not.
    pub(crate) async fn post(&self, path: &str, body: impl Into<String>) -> Answer {
        Answer::to(self.json(path, body)).await
    }

    /// A request with `body` as JSON.
    pub(crate) fn json(&self, path: &str, body: impl Into<String>) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("content-type", "application/json")
            .body(body.into())
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
        let request = self.json("/orders", order_body(product, quantity));
        Answer::to(request.header("idempotency-key", key)).await
    }

    /// How many orders there are.
    pub(crate) async fn count_orders(&self) -> usize {
        let list = self.get("/orders?limit=100").await;
        list.json().as_array().unwrap().len()
    }

    /// Pays what is due, as the consumer process would.
    pub(crate) async fn complete(&self) -> usize {
        let url = self.system.payments_redis().url(User::Payments);
        let redis = Redis::worker(&url.parse().unwrap());
        let store = OrderStore::new(redis, Partitions::NONE, Duration::ZERO);
        store
            .complete_due(only_partition())
            .await
            .unwrap()
            .paid
            .len()
    }
}

impl Answer {
    pub(crate) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts that an order was accepted, and answers its id.
    pub(crate) fn order_id(&self) -> String {
        assert_eq!(self.status, 201, "{self:?}");
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Asserts that this is a problem of that kind with everything a problem has, and answers it.
    pub(crate) fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        for field in ["title", "detail"] {
            assert_ne!(problem[field].as_str().unwrap(), "", "{field}: {self:?}");
        }
        assert!(problem["instance"].as_str().unwrap().starts_with('/'));
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem
    }

    /// The fields that a validation problem names, in alphabetical order.
    pub(crate) fn invalid_fields(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().unwrap().iter();
        let mut pointers: Vec<String> = errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        pointers.sort_unstable();
        pointers
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
}

/// The partition of a store that has no partitions.
pub(crate) fn only_partition() -> Partition {
    Partitions::NONE.all().next().unwrap()
}

fn order_body(product: ProductId, quantity: u32) -> String {
    format!(r#"{{"product_id":"{product}","quantity":{quantity}}}"#)
}
