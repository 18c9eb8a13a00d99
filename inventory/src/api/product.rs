//! The operations on products.

use poem_openapi::OpenApi;
use shared::contract::id::ProductId;
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::idempotency::KeyHeader;
use shared::http::json::{Body, BodyFields, Json};
use shared::http::page::{Limit, Listing};
use shared::http::parameter::{Path, Query};
use shared::http::problem::Problem;
use shared::store::index::Scanned;

use super::answer::{ChangeResponse, CreateResponse, DeleteResponse, GetResponse, ListResponse};
use super::params::SortParam;
use super::{Api, Tag, not_found};
use crate::domain::{
    Change, Deletion, Filter, MAX_STOCK, NamePrefix, NewProduct, Product, ProductPatch, Sort,
};

/// The operations on products.
pub(super) struct ProductApi(pub(super) Api);

#[OpenApi]
impl ProductApi {
    /// Create a product.
    #[oai(
        path = "/products",
        method = "post",
        tag = "Tag::Products",
        operation_id = "createProduct"
    )]
    async fn create_product(
        &self,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: Body<NewProduct>,
    ) -> Result<CreateResponse, Problem> {
        let NewProduct {
            name,
            price,
            quantity,
        } = &body.0;
        let intent = format!("POST /products {price} {quantity} {}", name.as_str());
        let claim = key.claim(&intent);
        let _turn = self.0.in_flight.enter(claim.as_ref()).await?;
        let created = self.0.store.create_product(body.0, claim.as_ref()).await?;
        let (product, replayed) = created.into_answer()?;
        let (location, etag) = (format!("/products/{}", product.id), ETag(product.version));
        Ok(CreateResponse::Created(
            Json(product.into()),
            location,
            etag,
            replayed,
        ))
    }

    /// List products.
    ///
    /// The number of reads for one page is bounded. So a page may be short or even empty although
    /// more products match: follow `Link` as long as there is one. A product that exists all the
    /// time is listed exactly once.
    #[oai(
        path = "/products",
        method = "get",
        tag = "Tag::Products",
        operation_id = "listProducts"
    )]
    async fn list_products(
        &self,
        /// Products on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`. It belongs to the other parameters of its
        /// list, except `limit`.
        cursor: Query<Option<String>>,
        /// Only products whose name begins with this text, in upper or lower case, however its
        /// accents were typed.
        q: Query<Option<NamePrefix>>,
        /// `true`: only products with pieces on hand. `false`: only products without.
        in_stock: Query<Option<bool>>,
        /// The order of the list. Sorted by name, a page reads only products that begin with `q`,
        /// which is fast in a catalogue of any size.
        #[oai(default)]
        sort: Query<SortParam>,
    ) -> Result<ListResponse, Problem> {
        let (prefix, sort) = (q.0, sort.0.into());
        let listing = Listing::at("/products")
            .with("q", prefix.as_ref())
            .with("in_stock", in_stock.0)
            .with("sort", (sort == Sort::Name).then_some("name"));
        let position: Option<String> = listing.position(cursor.0.as_deref())?;
        let filter = Filter {
            prefix,
            in_stock: in_stock.0,
        };
        let found = self
            .0
            .store
            .list_products(&filter, sort, position.as_deref(), limit.0.get())
            .await?;
        let Scanned { items, next } = found;
        let items = items.into_iter().map(Into::into).collect();
        Ok(ListResponse::Page(Json(items), listing.link(limit.0, next)))
    }

    /// Get a product.
    #[oai(
        path = "/products/:id",
        method = "get",
        tag = "Tag::Products",
        operation_id = "getProduct"
    )]
    async fn get_product(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// Versions that the client has. If the product still has one of them, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        /// Versions of which the product must have one: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
    ) -> Result<GetResponse, Problem> {
        let product = self
            .0
            .store
            .find_product(id.0)
            .await?
            .ok_or_else(not_found)?;
        let etag = ETag(product.version);
        if conditional::is_known(
            &conditional::condition(if_match, if_none_match),
            etag.0,
            "the product",
        )? {
            return Ok(GetResponse::NotModified(etag));
        }
        Ok(GetResponse::Found(Json(product.into()), etag))
    }

    /// Give a product another name or price.
    ///
    /// The body is a merge patch (RFC 7396): fields that it does not name stay as they are. The
    /// version counts up only when a field changes. Orders keep the price at which they were
    /// placed.
    #[oai(
        path = "/products/:id",
        method = "patch",
        tag = "Tag::Products",
        operation_id = "updateProduct"
    )]
    async fn update_product(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// Change it only if it has this version, or one of these: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
        /// Change it only if it has none of these versions: 412 otherwise.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        body: Body<ProductPatch>,
    ) -> Result<ChangeResponse, Problem> {
        let condition = conditional::condition(if_match, if_none_match);
        let change = self
            .0
            .store
            .update_product(id.0, body.0, &condition)
            .await?;
        ChangeResponse::of(change)
    }

    /// Delete a product.
    ///
    /// Its id is never used again, and its movements stay.
    #[oai(
        path = "/products/:id",
        method = "delete",
        tag = "Tag::Products",
        operation_id = "deleteProduct"
    )]
    async fn delete_product(
        &self,
        /// The id of the product.
        id: Path<ProductId>,
        /// Delete it only if it has this version, or one of these: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
        /// Delete it only if it has none of these versions: 412 otherwise.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
    ) -> Result<DeleteResponse, Problem> {
        let condition = conditional::condition(if_match, if_none_match);
        match self.0.store.delete_product(id.0, &condition).await? {
            Deletion::Deleted => Ok(DeleteResponse::Deleted),
            Deletion::NotFound => Err(not_found()),
            Deletion::OtherVersion => Err(other_version()),
        }
    }
}

impl ChangeResponse {
    pub(super) fn of(change: Change) -> Result<Self, Problem> {
        let product = product_of(change)?;
        let etag = ETag(product.version);
        Ok(Self::Changed(Json(product.into()), etag))
    }
}

/// The product that was changed, or why it was not.
pub(super) fn product_of(change: Change) -> Result<Product, Problem> {
    match change {
        Change::Done(product) => Ok(product),
        Change::NotFound => Err(not_found()),
        Change::OtherVersion => Err(other_version()),
        Change::TooMany => {
            let detail = format!("there would be more than {MAX_STOCK} on hand");
            Err(BodyFields::one_invalid("quantity", detail))
        }
    }
}

fn other_version() -> Problem {
    conditional::failed("the product")
}
