//! A private API process with a client, and a private store without any process.

use std::ops::Deref;
use std::time::Duration;

use inventory::domain::NewProduct;
use inventory::store::ProductStore;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::TraceParent;
use shared::redis::Redis;
use shared::store::claim::Once;
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;
use stack::system::System;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// What each product is called, where a test does not say otherwise.
pub(crate) const PRODUCT_NAME: &str = "Tea";
/// How long the records of orders are kept, where a test does not say otherwise.
pub(crate) const KEEP: Duration = Duration::from_hours(30 * 24);

/// The process `inventory serve` on a private store, and a client of it.
pub(crate) struct Service {
    pub(crate) system: System,
    client: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// A private store of inventory: as the service sees it, and as its operator does.
pub(crate) struct TestStore {
    pub(crate) store: ProductStore,
    private: PrivateStore,
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
        let builder = env
            .iter()
            .fold(builder, |builder, (name, value)| builder.env(name, value));
        Self {
            system: builder.start().await.unwrap(),
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.system.inventory_url());
        self.client.request(method, url)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::to(self.request(Method::DELETE, path)).await
    }

    /// Sends `body` as JSON, whether it is or not.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        let request = self.request(Method::POST, path);
        Answer::to(
            request
                .header("content-type", "application/json")
                .body(body.into()),
        )
        .await
    }

    /// Sends `body` as JSON, under these headers.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let request = self
            .request(method, path)
            .header("content-type", "application/json");
        let request = headers.iter().fold(request, |request, &(name, value)| {
            request.header(name, HeaderValue::from_str(value).unwrap())
        });
        Answer::to(request.body(body.to_owned())).await
    }

    /// The store of the service, as its consumer has it.
    pub(crate) fn store(&self) -> ProductStore {
        let url = self.system.inventory_redis().url(User::Inventory);
        ProductStore::new(Redis::worker(&url.parse().unwrap()), Partitions::NONE)
    }

    /// Creates a product and answers its id.
    pub(crate) async fn create(&self, name: &str) -> String {
        let body = serde_json::json!({ "name": name, "price": "1", "quantity": 1 });
        let created = self.post("/products", body.to_string()).await;
        assert_eq!(created.status, 201, "{created:?}");
        created.json()["id"].as_str().unwrap().to_owned()
    }

    /// Opens a connection, for requests that no proper client would send.
    pub(crate) async fn connect(&self) -> TcpStream {
        let url = self.system.inventory_url();
        let address = url.strip_prefix("http://").unwrap();
        TcpStream::connect(address).await.unwrap()
    }

    /// Sends bytes as they are, and reads until the connection is closed.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
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
        assert_eq!(
            problem.get("errors").is_some(),
            slug == "validation-failed",
            "{self:?}"
        );
        problem
    }

    /// The fields that a validation problem names, in alphabetical order.
    pub(crate) fn invalid_fields(&self) -> Vec<String> {
        let problem = self.problem(422, "validation-failed");
        let errors = problem["errors"].as_array().unwrap();
        let pointer = |error: &Value| {
            assert_ne!(error["detail"].as_str().unwrap(), "", "{self:?}");
            error["pointer"].as_str().unwrap().to_owned()
        };
        let mut pointers: Vec<String> = errors.iter().map(pointer).collect();
        pointers.sort_unstable();
        pointers
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

/// Reads until the other side closes; fails if it never does.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
    // A connection that is reset after the answer was sent is closed as well.
    let _ = read.expect("the connection stays open");
    String::from_utf8(answer).unwrap()
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
        request_id: shared::contract::trace::RequestId::mint(),
    }
}
