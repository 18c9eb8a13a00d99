//! The HTTP API of inventory.

use poem::Route;
use poem_openapi::param::{Path, Query};
use poem_openapi::{ApiResponse, OpenApi, OpenApiService, Tags};
use shared::id::ProductId;
use shared::json::{Body, Json};
use shared::openapi::{document, with_closed_bodies, without_font_links};
use shared::page::{Limit, NextPage};
use shared::problem::{NOT_FOUND, Problem};

mod body;

use crate::api::body::ProductBody;
use crate::domain::NewProduct;
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
    #[oai(path = "/products", method = "get", tag = "Tag::Products", operation_id = "listProducts")]
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
        Ok(ListResponse::Page(Json(items.into_iter().map(Into::into).collect()), link))
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
        deleted.then_some(DeleteResponse::Deleted).ok_or_else(not_found)
    }
}

/// The routes of the API, its explorer at `/docs` and its document at `/openapi.json`.
pub fn routes(store: Store) -> (Route, String) {
    let service = service(Api { store });
    let spec = with_closed_bodies(&service.spec());
    let explorer = without_font_links(service.openapi_explorer_html());
    let routes = Route::new()
        .at("/docs", poem::get(document("text/html; charset=utf-8", explorer)))
        .at("/openapi.json", poem::get(document("application/json", spec.clone())))
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
