//! Calls to inventory: the price of a product, and the movement by which an order took its stock.
//! `records` has the other calls of an audit.
//!
//! The client trusts no answer, limits the time of each call, and makes no call while inventory is
//! down. The price charged is at most as old as the cache allows. inventory decides later whether
//! there is such a product, and enough of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::future::Cache;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use shared::base::breaker::Breaker;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::Money;
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::http::idempotency::IDEMPOTENCY_KEY;
use shared::http::request::{TRACEPARENT, X_REQUEST_ID};
use tokio::sync::Semaphore;

mod answer;
mod records;

use crate::inventory_client::answer::{Answered, no_answer, parse_movement, parse_offer, read};
pub use crate::inventory_client::records::{Cause, LedgerEntry, Page, Stock};

/// Asks inventory. Cheap to clone.
#[derive(Clone)]
pub struct InventoryClient(Arc<Inner>);

struct Inner {
    http: Client,
    base: Url,
    cache: Option<Cache<ProductId, Offer>>,
    breaker: Breaker,
    offers: Semaphore,
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

/// The movement by which an order took its stock, as inventory recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The id of the movement.
    pub id: String,
    /// The change of the stock in pieces; negative where pieces left it.
    pub delta: i64,
    /// Pieces on hand after it.
    pub balance: u64,
    /// When the stock was taken.
    pub at: Timestamp,
}

/// Why a question to inventory has no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// There is no such product.
    #[error("there is no such product")]
    NotFound,
    /// inventory does not answer.
    #[error("inventory does not answer: {0}")]
    Unavailable(String),
    /// inventory does not answer in time.
    #[error("inventory took too long")]
    TooSlow,
    /// inventory refuses the request, and would refuse it again.
    #[error("inventory refused it: {0}")]
    Refused(String),
    /// inventory answers something else than what it was asked for.
    #[error("inventory answered nonsense: {0}")]
    Nonsense(String),
}

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Longest wait for an answer, the retry and the wait for a free slot included.
const TOTAL_TIMEOUT: Duration = Duration::from_millis(800);
/// Longest wait for a free slot: the rest of the time is for inventory.
const SLOT_TIMEOUT: Duration = Duration::from_millis(400);
/// Longest pause before the one retry.
const RETRY_PAUSE_MS: u64 = 50;
/// Questions for prices at once.
const MAX_OFFERS: usize = 64;
/// Questions for movements and records at once. They have slots of their own: a client that only
/// looks at orders must not keep others from placing orders.
const MAX_MOVEMENTS: usize = 16;
/// Idle connections are closed after this time, before inventory closes them while a request is
/// sent.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// Largest answer, in bytes: more than a page of products with the longest names.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Time between two calls while inventory fails.
pub(crate) const OPEN_FOR: Duration = Duration::from_secs(5);
/// Products whose price is remembered.
const MAX_CACHED: u64 = 10_000;

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
        let remember = || {
            Cache::builder()
                .max_capacity(MAX_CACHED)
                .time_to_live(cache_ttl)
                .build()
        };
        let cache = (!cache_ttl.is_zero()).then(remember);
        let (offers, movements) = (Semaphore::new(MAX_OFFERS), Semaphore::new(MAX_MOVEMENTS));
        let breaker = Breaker::new(OPEN_FOR);
        Ok(Self(Arc::new(Inner {
            http,
            base,
            cache,
            breaker,
            offers,
            movements,
        })))
    }

    /// The address of inventory.
    pub fn url(&self) -> &Url {
        &self.0.base
    }

    /// What a product costs. Simultaneous questions about one product share one call.
    pub async fn offer(
        &self,
        id: ProductId,
        context: &RequestContext,
    ) -> Result<Offer, InventoryError> {
        match &self.0.cache {
            None => Box::pin(self.0.offer(id, context)).await,
            // Most calls hit the cache, and make no future of a call.
            Some(cache) => match cache.get(&id).await {
                Some(offer) => Ok(offer),
                None => Box::pin(cache.try_get_with(id, self.0.offer(id, context)))
                    .await
                    .map_err(|error| (*error).clone()),
            },
        }
    }

    /// The movement by which an order took its stock; `None` where inventory took no stock for it.
    pub async fn movement(
        &self,
        product: ProductId,
        order: OrderId,
        context: &RequestContext,
    ) -> Result<Option<Movement>, InventoryError> {
        let mut url = self
            .0
            .url(&["products", &product.to_string(), "movements"])?;
        url.query_pairs_mut()
            .append_pair("order_id", &order.to_string());
        let slots = &self.0.movements;
        match self
            .0
            .ask(slots, url, None, context, |answer| {
                parse_movement(&answer.body, order)
            })
            .await
        {
            // A product that never was has no movements.
            Err(InventoryError::NotFound) => Ok(None),
            answer => answer,
        }
    }
}

impl Inner {
    async fn offer(
        &self,
        id: ProductId,
        context: &RequestContext,
    ) -> Result<Offer, InventoryError> {
        let url = self.url(&["products", &id.to_string()])?;
        self.ask(&self.offers, url, None, context, |answer| {
            parse_offer(&answer.body, id)
        })
        .await
    }

    async fn ask<T>(
        &self,
        slots: &Semaphore,
        url: Url,
        body: Option<String>,
        context: &RequestContext,
        parse: impl FnOnce(&Answered) -> Result<T, InventoryError>,
    ) -> Result<T, InventoryError> {
        if !self.breaker.admits(Instant::now()) {
            return Err(InventoryError::Unavailable(
                "it failed too often a moment ago".to_owned(),
            ));
        }
        let deadline = tokio::time::Instant::now() + TOTAL_TIMEOUT;
        let slot = tokio::time::timeout(SLOT_TIMEOUT, slots.acquire()).await;
        let Ok(Ok(_slot)) = slot else {
            // This is no fault of inventory, so the breaker is not told.
            return Err(InventoryError::Unavailable(
                "too much is asked of it at once".to_owned(),
            ));
        };
        let answer = tokio::time::timeout_at(deadline, self.fetch(&url, body, context)).await;
        let answer = answer
            .unwrap_or(Err(InventoryError::TooSlow))
            .and_then(|answer| parse(&answer));
        match &answer {
            Ok(_) | Err(InventoryError::NotFound) => self.breaker.succeeded(),
            Err(error) => {
                tracing::warn!(
                    %error,
                    request_id = %context.request_id,
                    "inventory gave no usable answer"
                );
                match error {
                    // inventory works: it has looked at the request.
                    InventoryError::Refused(_) => self.breaker.succeeded(),
                    _ => self.breaker.failed(Instant::now()),
                }
            }
        };
        answer
    }

    async fn fetch(
        &self,
        url: &Url,
        body: Option<String>,
        context: &RequestContext,
    ) -> Result<Answered, InventoryError> {
        let response = match self.send(url, body.clone(), context).await {
            // No answer came, and asking twice changes no more than asking once. The client asks
            // once more after a random pause, so that clients do not ask again all at once.
            Err(error) if !error.is_timeout() => {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=RETRY_PAUSE_MS))).await;
                self.send(url, body, context).await
            }
            response => response,
        };
        read(response.map_err(|error| no_answer(&error))?).await
    }

    /// Each segment is pushed as one, so no text in it can name another path or host.
    fn url(&self, segments: &[&str]) -> Result<Url, InventoryError> {
        let mut url = self.base.clone();
        let no_base =
            |()| InventoryError::Unavailable("INVENTORY_URL cannot have a path".to_owned());
        url.path_segments_mut()
            .map_err(no_base)?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }

    /// A GET, or with a body a POST.
    async fn send(
        &self,
        url: &Url,
        body: Option<String>,
        context: &RequestContext,
    ) -> reqwest::Result<Response> {
        let request = match body {
            None => self.http.get(url.clone()),
            Some(body) => self
                .http
                .post(url.clone())
                .header(CONTENT_TYPE, "application/json")
                // inventory may demand a key of every POST. The body alone makes the request
                // idempotent.
                .header(IDEMPOTENCY_KEY, context.request_id.as_str())
                .body(body),
        };
        request
            .header(X_REQUEST_ID, context.request_id.as_str())
            .header(TRACEPARENT, context.traceparent.as_str())
            .send()
            .await
    }
}
