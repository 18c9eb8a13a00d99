//! The HTTP API of inventory.

use poem::Route;
use poem_openapi::param::{Path, Query};
use poem_openapi::{ApiResponse, Object, OpenApi, OpenApiService, Tags};
use serde::Serialize;
use shared::id::ProductId;
use shared::json::{Body, BodyFields, FromFields, Json};
use shared::money::Money;
use shared::openapi::{document, without_font_links};
use shared::page::{Limit, NextPage};
use shared::problem::{NOT_FOUND, Problem};
use shared::time::Timestamp;

use crate::domain::{MAX_STOCK, NewProduct, Product};
use crate::store::Store;

/// Handlers, and what they need.
pub struct Api {
    store: Store,
}

#[derive(Tags)]
enum Tag {
    /// What is for sale, and how much of it is on hand.
    Products,
}

/// A product in the catalogue.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Product")]
struct ProductBody {
    /// Its id, a UUIDv7.
    id: ProductId,
    /// What it is called.
    name: String,
    /// What one piece costs, exact to the cent.
    price: Money,
    /// Pieces on hand.
    quantity: u32,
    /// Counts its changes, from 1.
    version: u64,
    /// When it was created.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
}

/// A product to create.
#[derive(Object)]
#[oai(rename = "NewProduct")]
pub struct NewProductSchema {
    /// What it is called: 1 to 200 characters.
    #[oai(validator(min_length = 1, max_length = 200))]
    name: String,
    /// What one piece costs: a number, or a string, with at most two decimals.
    price: Money,
    /// Pieces on hand, 0 to 1000000000.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000000000")))]
    quantity: u32,
}

#[derive(ApiResponse)]
enum CreateResponse {
    /// Created.
    #[oai(status = 201)]
    Created(
        Json<ProductBody>,
        /// Where the product is.
        #[oai(header = "Location")]
        String,
    ),
}

#[derive(ApiResponse)]
enum ListResponse {
    /// A page of products, newest first.
    #[oai(status = 200)]
    Page(
        Json<Vec<ProductBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
enum DeleteResponse {
    /// Deleted. Orders in flight for it are refunded.
    #[oai(status = 204)]
    Deleted,
}

#[OpenApi]
impl Api {
    /// Create a product.
    #[oai(
        path = "/products",
        method = "post",
        tag = "Tag::Products",
        operation_id = "createProduct"
    )]
    async fn create_product(&self, body: Body<NewProduct>) -> Result<CreateResponse, Problem> {
        let product = self.store.create_product(body.0).await?;
        let location = format!("/products/{}", product.id);
        Ok(CreateResponse::Created(Json(product.into()), location))
    }

    /// List products, newest first.
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
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
    ) -> Result<ListResponse, Problem> {
        let before = shared::page::parse_cursor(cursor.0.as_deref())?;
        let products = self.store.list_products(before, limit.0.get()).await?;
        let NextPage { items, link } =
            shared::page::cut("/products", limit.0, products, |product| product.id);
        Ok(ListResponse::Page(
            Json(items.into_iter().map(Into::into).collect()),
            link,
        ))
    }

    /// Get a product.
    #[oai(
        path = "/products/:id",
        method = "get",
        tag = "Tag::Products",
        operation_id = "getProduct"
    )]
    async fn get_product(&self, id: Path<ProductId>) -> Result<Json<ProductBody>, Problem> {
        let product = self.store.find_product(id.0).await?.ok_or_else(not_found)?;
        Ok(Json(product.into()))
    }

    /// Delete a product.
    #[oai(
        path = "/products/:id",
        method = "delete",
        tag = "Tag::Products",
        operation_id = "deleteProduct"
    )]
    async fn delete_product(&self, id: Path<ProductId>) -> Result<DeleteResponse, Problem> {
        let deleted = self.store.delete_product(id.0).await?;
        deleted
            .then_some(DeleteResponse::Deleted)
            .ok_or_else(not_found)
    }
}

impl FromFields for NewProduct {
    type Schema = NewProductSchema;

    fn from_fields(fields: &mut BodyFields) -> Option<Self> {
        let name = fields.parsed("name");
        let price = fields.number("price");
        let quantity = fields.whole("quantity", 0, MAX_STOCK);
        Some(Self {
            name: name?,
            price: price?,
            quantity: quantity?,
        })
    }
}

impl From<Product> for ProductBody {
    fn from(product: Product) -> Self {
        let Product {
            id,
            name,
            price,
            quantity,
            version,
            created_at,
            updated_at,
        } = product;
        Self {
            id,
            name: name.as_str().to_owned(),
            price,
            quantity,
            version,
            created_at,
            updated_at,
        }
    }
}

/// The routes of the API, its explorer at `/docs` and its document at `/openapi.json`.
pub fn routes(store: Store) -> (Route, String) {
    let service = service(Api { store });
    let spec = service.spec();
    let explorer = without_font_links(service.openapi_explorer_html());
    let routes = Route::new()
        .at(
            "/docs",
            poem::get(document("text/html; charset=utf-8", explorer)),
        )
        .at(
            "/openapi.json",
            poem::get(document("application/json", spec.clone())),
        )
        .nest("/", service);
    (routes, spec)
}

fn service(api: Api) -> OpenApiService<Api, ()> {
    OpenApiService::new(api, "Inventory", env!("CARGO_PKG_VERSION")).description(
        "Products and their stock. Stock is taken by events of paid orders, exactly once each.",
    )
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such product")
}
