//! The one call to inventory: what does a product cost?
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
use shared::id::ProductId;
use shared::money::Money;
use shared::request::{RequestContext, TRACEPARENT, X_REQUEST_ID};
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
}

/// What inventory says about a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Price of one piece.
    pub price: Money,
    /// Pieces on hand when it was asked.
    pub quantity: u64,
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
        Ok(Self(Arc::new(Inner { http, base, cache, breaker: Breaker::new(), slots })))
    }

    /// What a product costs. Simultaneous questions about one product share one call.
    pub async fn offer(&self, id: ProductId, context: &RequestContext) -> Result<Offer, NoOffer> {
        match &self.0.cache {
            None => self.0.ask(id, context).await,
            Some(cache) => cache
                .try_get_with(id, self.0.ask(id, context))
                .await
                .map_err(|error| (*error).clone()),
        }
    }
}

impl Inner {
    async fn ask(&self, id: ProductId, context: &RequestContext) -> Result<Offer, NoOffer> {
        if !self.breaker.admits(Instant::now()) {
            return Err(NoOffer::Unavailable("it failed too often a moment ago".to_owned()));
        }
        let answer = tokio::time::timeout(TOTAL_TIMEOUT, self.fetch(id, context)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(NoOffer::Unavailable("it took too long".to_owned())));
        match &answer {
            Ok(_) | Err(NoOffer::NotFound) => self.breaker.succeeded(),
            Err(error) => {
                tracing::warn!(%error, request_id = %context.request_id, "no offer");
                self.breaker.failed(Instant::now());
            }
        }
        answer
    }

    async fn fetch(&self, id: ProductId, context: &RequestContext) -> Result<Offer, NoOffer> {
        let unavailable = |error: &dyn std::fmt::Display| NoOffer::Unavailable(error.to_string());
        let _slot = self.slots.acquire().await.map_err(|error| unavailable(&error))?;
        let url = self.product_url(id)?;
        let response = match self.get(&url, context).await {
            // Nothing was answered and a GET changes nothing: once more, a little later than
            // everybody else.
            Err(error) if !error.is_timeout() => {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=RETRY_PAUSE_MS))).await;
                self.get(&url, context).await
            }
            response => response,
        };
        read(response.map_err(|error| unavailable(&error.without_url()))?, id).await
    }

    /// The id is pushed as one segment: whatever it contained, it could not name another path or
    /// host.
    fn product_url(&self, id: ProductId) -> Result<Url, NoOffer> {
        let mut url = self.base.clone();
        let no_base = |()| NoOffer::Unavailable("INVENTORY_URL cannot have a path".to_owned());
        url.path_segments_mut()
            .map_err(no_base)?
            .pop_if_empty()
            .push("products")
            .push(&id.to_string());
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

async fn read(response: Response, id: ProductId) -> Result<Offer, NoOffer> {
    let status = response.status();
    let content_type =
        response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content_type =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
    match (status, content_type.as_str()) {
        (StatusCode::OK, "application/json") => parse(&body(response).await?, id),
        (StatusCode::NOT_FOUND, shared::problem::PROBLEM_JSON) => Err(NoOffer::NotFound),
        (status, _) if status.is_server_error() => Err(NoOffer::Unavailable(status.to_string())),
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

fn parse(body: &[u8], id: ProductId) -> Result<Offer, NoOffer> {
    let nonsense = |error: &dyn std::fmt::Display| NoOffer::Nonsense(error.to_string());
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| nonsense(&error))?;
    if answer.id.parse() != Ok(id) {
        return Err(NoOffer::Nonsense("another product than asked for".to_owned()));
    }
    let price = answer.price.get().parse().map_err(|error| nonsense(&error))?;
    Ok(Offer { price, quantity: answer.quantity })
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
        let offer = parse(answer("19.90", "3").as_bytes(), id).unwrap();
        assert_eq!(offer, Offer { price: "19.90".parse().unwrap(), quantity: 3 });
        for (price, quantity) in
            [("-1", "3"), ("1e3", "3"), ("NaN", "3"), ("1.999", "3"), ("1", "-3"), ("{}", "3")]
        {
            let nonsense = parse(answer(price, quantity).as_bytes(), id);
            assert!(matches!(nonsense, Err(NoOffer::Nonsense(_))), "{price} {quantity}");
        }
        let other = parse(answer("1", "1").as_bytes(), ProductId::mint());
        assert!(matches!(other, Err(NoOffer::Nonsense(_))));
        assert!(matches!(parse(b"<html>", id), Err(NoOffer::Nonsense(_))));
    }
}
