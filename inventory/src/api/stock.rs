//! Stock: changed by hand, and explained.

use poem_openapi::OpenApi;
use shared::contract::id::{OrderId, ProductId};
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::idempotency::KeyHeader;
use shared::http::json::{Body, Json};
use shared::http::page::{Limit, Listing};
use shared::http::parameter::{Path, Query};
use shared::http::problem::Problem;
use shared::store::index::Scanned;

use super::answer::{ChangeResponse, MovementsResponse, RestockResponse};
use super::body::{Restock, Stocktake};
use super::params::Before;
use super::product::product_of;
use super::{Api, Tag, not_found};
use crate::domain::Note;

/// The operations on the stock of a product.
pub(super) struct StockApi(pub(super) Api);

#[OpenApi]
impl StockApi {
    /// Add pieces that arrived.
    ///
    /// Sales may happen at the same time, and no change is lost. Give an `Idempotency-Key`. Without
    /// one, a request that is repeated after a broken connection may add its pieces twice.
    #[oai(
        path = "/products/:id/restock",
        method = "post",
        tag = "Tag::Stock",
        operation_id = "restockProduct"
    )]
    async fn restock_product(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        /// Add them only if the product has this version, or one of these: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
        /// Add them only if the product has none of these versions: 412 otherwise.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        body: Body<Restock>,
    ) -> Result<RestockResponse, Problem> {
        let (
            id,
            Restock(adjustment),
            Api {
                store, in_flight, ..
            },
        ) = (id.0, body.0, &self.0);
        let condition = conditional::condition(if_match, if_none_match);
        let note = adjustment.note.as_ref().map_or("", Note::as_str);
        let intent = format!("POST /products/{id}/restock {} {note}", adjustment.quantity);
        let claim = key.claim(&intent);
        let _turn = in_flight.enter(claim.as_ref()).await?;
        let adjusted = store
            .adjust_stock(id, &adjustment, &condition, claim.as_ref())
            .await?;
        let (change, replayed) = adjusted.into_answer()?;
        let product = product_of(change)?;
        let etag = ETag(product.version);
        Ok(RestockResponse::Restocked(
            Json(product.into()),
            etag,
            replayed,
        ))
    }

    /// Set the stock to what was counted.
    ///
    /// This request would undo a sale that happens after the counting. So it has to name the
    /// version of the product that was counted. It adds a movement and a new version even when the
    /// count equals the stock.
    #[oai(
        path = "/products/:id/stock",
        method = "put",
        tag = "Tag::Stock",
        operation_id = "countStock"
    )]
    async fn count_stock(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// The `ETag` of the product when it was counted. The answer is 428 without it, and 412 if
        /// the product has another version by now.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
        /// Set it only if the product has none of these versions: 412 otherwise.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        body: Body<Stocktake>,
    ) -> Result<ChangeResponse, Problem> {
        let Stocktake(adjustment) = body.0;
        let condition = conditional::required(if_match, if_none_match)?;
        let adjusted = self
            .0
            .store
            .adjust_stock(id.0, &adjustment, &condition, None)
            .await?;
        let (change, _) = adjusted.into_answer()?;
        ChangeResponse::of(change)
    }

    /// List the movements of a product, the newest first.
    ///
    /// A movement changed the stock of the product, or confirmed it. The balance of each movement
    /// is the balance of the movement before it plus its delta. The balance of the newest movement
    /// is the stock. The movements of a deleted product stay. As the product sells, movements are
    /// removed that are older than the records of orders (30 days, if not set otherwise).
    #[oai(
        path = "/products/:id/movements",
        method = "get",
        tag = "Tag::Stock",
        operation_id = "listMovements"
    )]
    async fn list_movements(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// Movements on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
        /// Only the movement by which this order took its stock. Empty when no stock of this
        /// product is taken for the order.
        order_id: Query<Option<OrderId>>,
    ) -> Result<MovementsResponse, Problem> {
        let store = &self.0.store;
        let listing = Listing::at(format!("/products/{}/movements", id.0));
        let listing = listing.with("order_id", order_id.0);
        let before = listing
            .position(cursor.0.as_deref())?
            .map(|Before(entry)| entry);
        let found = match order_id.0 {
            None => store.list_movements(id.0, before, limit.0.get()).await?,
            Some(order_id) => {
                let movement = store.find_movement(id.0, order_id).await?;
                movement.map(|items| Scanned { items, next: None })
            }
        };
        let Scanned { items, next } = found.ok_or_else(not_found)?;
        let items = items.into_iter().map(Into::into).collect();
        Ok(MovementsResponse::Page(
            Json(items),
            listing.link(limit.0, next),
        ))
    }
}
