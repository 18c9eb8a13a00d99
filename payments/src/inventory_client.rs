//! Calls to inventory: what does a product cost, and what did an order do to its stock?
//!
//! Its answers are untrusted, its time is bounded, and while inventory is down it is not asked. The
//! price charged is at most as old as the cache allows; whether there is such a product, and enough
//! of it, is decided later by inventory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::future::Cache;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::id::{OrderId, ProductId};
use shared::money::Money;
use shared::request::{RequestContext, TRACEPARENT, X_REQUEST_ID};
use shared::time::Timestamp;
use tokio::sync::Semaphore;

use crate::breaker::Breaker;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Longest wait for an answer, the retry and the wait for a free slot included.
const TOTAL_TIMEOUT: Duration = Duration::from_millis(800);
/// Longest pause before the one retry.
const RETRY_PAUSE_MS: u64 = 50;
/// Calls at once.
const MAX_IN_FLIGHT: usize = 64;
/// Of these, questions about movements. Many who wait for their orders ask at once; they wait for
/// each other instead of keeping others from ordering, and that wait is no failure of inventory.
const MAX_MOVEMENTS_IN_FLIGHT: usize = 16;
/// Idle connections are closed before inventory closes them, which a request could cross.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Products whose price is remembered.
const MAX_CACHED: u64 = 10_000;

/// Asks inventory. Cheap to clone.
#[derive(Clone)]
pub struct InventoryClient(Arc<Inner>);

struct Inner {
    http: Client,
    base: Url,
    cache: Option<Cache<ProductId, Offer>>,
    breaker: Breaker,
    slots: Semaphore,
    movements: Semaphore,
}

/// What inventory says about a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Price of one piece.
    pub price: Money,
    /// Pieces on hand when it was asked.
    pub quantity: u64,
}

/// What an order did to the stock, as inventory recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The id of the movement.
    pub id: String,
    /// Pieces that came (or went, below zero).
    pub delta: i64,
    /// Pieces on hand after it.
    pub balance: u64,
    /// When.
    pub at: Timestamp,
}

/// Why there is no offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOffer {
    /// There is no such product.
    #[error("there is no such product")]
    NotFound,
    /// inventory does not answer.
    #[error("inventory does not answer: {0}")]
    Unavailable(String),
    /// inventory answers something else than a product.
    #[error("inventory answered nonsense: {0}")]
    Nonsense(String),
}

/// The part of a product that matters here. The price is kept as text until it is read exactly.
#[derive(Deserialize)]
struct Answer<'a> {
    id: String,
    #[serde(borrow)]
    price: &'a RawValue,
    quantity: u64,
}

/// The part of a movement that matters here.
#[derive(Deserialize)]
struct MovementAnswer<'a> {
    id: String,
    order_id: &'a str,
    delta: i64,
    balance: u64,
    at: &'a str,
}

impl InventoryClient {
    /// A client of the inventory service at `base`, which remembers prices for `cache_ttl` (not at
    /// all when it is zero).
    pub fn new(base: Url, cache_ttl: Duration) -> reqwest::Result<Self> {
        let http = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()?;
        let remember = || Cache::builder().max_capacity(MAX_CACHED).time_to_live(cache_ttl).build();
        let cache = (!cache_ttl.is_zero()).then(remember);
        let slots = Semaphore::new(MAX_IN_FLIGHT);
        let movements = Semaphore::new(MAX_MOVEMENTS_IN_FLIGHT);
        let breaker = Breaker::new();
        Ok(Self(Arc::new(Inner { http, base, cache, breaker, slots, movements })))
    }

    /// What a product costs. Simultaneous questions about one product share one call.
    pub async fn offer(&self, id: ProductId, context: &RequestContext) -> Result<Offer, NoOffer> {
        match &self.0.cache {
            None => self.0.offer(id, context).await,
            Some(cache) => cache
                .try_get_with(id, self.0.offer(id, context))
                .await
                .map_err(|error| (*error).clone()),
        }
    }

    /// What an order did to the stock; `None` when inventory has not taken any for it.
    pub async fn movement(
        &self,
        product: ProductId,
        order: OrderId,
        context: &RequestContext,
    ) -> Result<Option<Movement>, NoOffer> {
        let mut url = self.0.url(&["products", &product.to_string(), "movements"])?;
        url.query_pairs_mut().append_pair("order_id", &order.to_string());
        let turn = self.0.movements.acquire().await;
        let _turn = turn.map_err(|error| NoOffer::Unavailable(error.to_string()))?;
        match self.0.ask(url, context, |body| parse_movement(body, order)).await {
            // A product that never was has no movements.
            Err(NoOffer::NotFound) => Ok(None),
            answer => answer,
        }
    }
}

impl Inner {
    async fn offer(&self, id: ProductId, context: &RequestContext) -> Result<Offer, NoOffer> {
        let url = self.url(&["products", &id.to_string()])?;
        self.ask(url, context, |body| parse_offer(body, id)).await
    }

    async fn ask<T>(
        &self,
        url: Url,
        context: &RequestContext,
        parse: impl FnOnce(&[u8]) -> Result<T, NoOffer>,
    ) -> Result<T, NoOffer> {
        if !self.breaker.admits(Instant::now()) {
            return Err(NoOffer::Unavailable("it failed too often a moment ago".to_owned()));
        }
        let answer = tokio::time::timeout(TOTAL_TIMEOUT, self.fetch(&url, context)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(NoOffer::Unavailable("it took too long".to_owned())));
        let answer = answer.and_then(|body| parse(&body));
        match &answer {
            Ok(_) | Err(NoOffer::NotFound) => self.breaker.succeeded(),
            Err(error) => {
                tracing::warn!(%error, request_id = %context.request_id, "inventory did not help");
                self.breaker.failed(Instant::now());
            }
        }
        answer
    }

    async fn fetch(&self, url: &Url, context: &RequestContext) -> Result<Vec<u8>, NoOffer> {
        let unavailable = |error: &dyn std::fmt::Display| NoOffer::Unavailable(error.to_string());
        let _slot = self.slots.acquire().await.map_err(|error| unavailable(&error))?;
        let response = match self.get(url, context).await {
            // Nothing was answered and a GET changes nothing: once more, a little later than
            // everybody else.
            Err(error) if !error.is_timeout() => {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=RETRY_PAUSE_MS))).await;
                self.get(url, context).await
            }
            response => response,
        };
        read(response.map_err(|error| unavailable(&error.without_url()))?).await
    }

    /// Each segment is pushed as one: whatever it contained, it could not name another path or
    /// host.
    fn url(&self, segments: &[&str]) -> Result<Url, NoOffer> {
        let mut url = self.base.clone();
        let no_base = |()| NoOffer::Unavailable("INVENTORY_URL cannot have a path".to_owned());
        url.path_segments_mut().map_err(no_base)?.pop_if_empty().extend(segments);
        Ok(url)
    }

    async fn get(&self, url: &Url, context: &RequestContext) -> reqwest::Result<Response> {
        self.http
            .get(url.clone())
            .header(X_REQUEST_ID, context.request_id.as_str())
            .header(TRACEPARENT, context.traceparent.as_str())
            .send()
            .await
    }
}

async fn read(response: Response) -> Result<Vec<u8>, NoOffer> {
    let status = response.status();
    let content_type =
        response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    match (status, content_type.as_str()) {
        (StatusCode::OK, "application/json") => body(response).await,
        (StatusCode::NOT_FOUND, shared::problem::PROBLEM_JSON) => Err(NoOffer::NotFound),
        (status, _) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Err(NoOffer::Unavailable(status.to_string()))
        }
        (status, content_type) => Err(NoOffer::Nonsense(format!("{status} with {content_type:?}"))),
    }
}

/// Reads the body, and stops where it becomes larger than any product.
async fn body(mut response: Response) -> Result<Vec<u8>, NoOffer> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| NoOffer::Unavailable(error.without_url().to_string());
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(NoOffer::Nonsense(format!("more than {MAX_ANSWER_BYTES} bytes")));
        }
    }
    Ok(body)
}

fn parse_offer(body: &[u8], id: ProductId) -> Result<Offer, NoOffer> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| nonsense(&error))?;
    if answer.id.parse() != Ok(id) {
        return Err(NoOffer::Nonsense("another product than asked for".to_owned()));
    }
    let price = answer.price.get().parse().map_err(|error| nonsense(&error))?;
    Ok(Offer { price, quantity: answer.quantity })
}

fn parse_movement(body: &[u8], order: OrderId) -> Result<Option<Movement>, NoOffer> {
    let answers: Vec<MovementAnswer<'_>> =
        serde_json::from_slice(body).map_err(|error| nonsense(&error))?;
    let Some(answer) = answers.into_iter().next() else {
        return Ok(None);
    };
    if answer.order_id.parse() != Ok(order) {
        return Err(NoOffer::Nonsense("the movement of another order".to_owned()));
    }
    let at = answer.at.parse().map_err(|error| nonsense(&error))?;
    Ok(Some(Movement { id: answer.id, delta: answer.delta, balance: answer.balance, at }))
}

fn nonsense(error: &dyn std::fmt::Display) -> NoOffer {
    NoOffer::Nonsense(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_exactly_or_not_at_all() {
        let id = ProductId::mint();
        let answer = |price: &str, quantity: &str| {
            format!(r#"{{"id":"{id}","price":{price},"quantity":{quantity},"x":1}}"#)
        };
        let offer = parse_offer(answer("19.90", "3").as_bytes(), id).unwrap();
        assert_eq!(offer, Offer { price: "19.90".parse().unwrap(), quantity: 3 });
        for (price, quantity) in
            [("-1", "3"), ("1e3", "3"), ("NaN", "3"), ("1.999", "3"), ("1", "-3"), ("{}", "3")]
        {
            let nonsense = parse_offer(answer(price, quantity).as_bytes(), id);
            assert!(matches!(nonsense, Err(NoOffer::Nonsense(_))), "{price} {quantity}");
        }
        let other = parse_offer(answer("1", "1").as_bytes(), ProductId::mint());
        assert!(matches!(other, Err(NoOffer::Nonsense(_))));
        assert!(matches!(parse_offer(b"<html>", id), Err(NoOffer::Nonsense(_))));
    }
}
