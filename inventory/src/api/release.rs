//! The operations that give back the stock of orders, for operators of the system.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use serde_json::json;
use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::http::idempotency::KeyHeader;
use shared::http::json::schema::{self, ObjectSchema};
use shared::http::json::{Body, BodyFields, FromFields, Json};
use shared::http::problem::{NOT_FOUND, Problem};
use shared::http::request::RequestScope;

use super::admin::OutcomeBody;
use super::{Api, Tag};
use crate::domain::{MAX_STOCK, OrderRecord, Release};

/// The operations that give back the stock of orders.
pub(super) struct ReleaseApi(pub(super) Api);

/// An order whose stock is to be given back.
struct ReleaseOrder {
    order_id: OrderId,
    product_id: ProductId,
}

/// A movement by which an order took its stock once too often.
struct ReleaseSurplus {
    order: OrderId,
    product: ProductId,
    movement: EntryId,
}

/// The most characters of the id of a movement, and its pattern.
const MAX_MOVEMENT_ID: usize = 39;
const MOVEMENT_ID: &str = "^(0|[1-9][0-9]{0,18})-(0|[1-9][0-9]{0,18})$";

#[OpenApi]
impl ReleaseApi {
    /// Give back the stock that an order took, and have the order refunded.
    ///
    /// If the order is paid, payments refunds it with the reason `released`. An order that is
    /// cancelled, refunded or unknown to payments stays as it is. A later event of the order is
    /// answered with a refund. Repeating the request gives no more stock back, and asks for the
    /// refund again.
    #[oai(
        path = "/admin/releases",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "releaseOrder"
    )]
    async fn release_order(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// Checked like every key, and of no effect: the order makes the request idempotent.
        #[oai(name = "Idempotency-Key")]
        _key: KeyHeader,
        body: Body<ReleaseOrder>,
    ) -> Result<Json<OutcomeBody>, Problem> {
        let ReleaseOrder {
            order_id,
            product_id,
        } = body.0;
        let done = match self
            .0
            .store
            .release_order(order_id, product_id, &scope.context)
            .await?
        {
            Release::Released => "stock given back by an operator: refund requested",
            Release::Repeated => "stock was given back before: refund requested again",
            Release::NotTaken => {
                let detail = "no stock of this product is taken for this order";
                return Err(Problem::new(&NOT_FOUND, detail));
            }
            Release::TooMany => return Err(too_many()),
        };
        tracing::warn!(%order_id, %product_id, "{done}");
        Ok(Json(OutcomeBody::new(order_id, OrderRecord::Released)))
    }

    /// Give back what an order took more than once.
    ///
    /// The movement is a sale to the order that the record of the order does not name: the order
    /// took its stock once too often. The order stays as it is, and is not refunded. `payments
    /// reconcile` finds such movements. Repeating the request changes nothing.
    #[oai(
        path = "/admin/surpluses",
        method = "post",
        tag = "Tag::Admin",
        operation_id = "releaseSurplus"
    )]
    async fn release_surplus(
        &self,
        /// Checked like every key, and of no effect: the movement makes the request idempotent.
        #[oai(name = "Idempotency-Key")]
        _key: KeyHeader,
        body: Body<ReleaseSurplus>,
    ) -> Result<Json<OutcomeBody>, Problem> {
        let ReleaseSurplus {
            order,
            product,
            movement,
        } = body.0;
        match self
            .0
            .store
            .release_surplus(order, product, movement)
            .await?
        {
            Release::Released => {
                tracing::warn!(order_id = %order, product_id = %product, %movement, "surplus stock given back by an operator");
            }
            Release::Repeated => {
                tracing::info!(order_id = %order, product_id = %product, %movement, "surplus stock was given back before");
            }
            Release::NotTaken => {
                let detail = "this movement is no surplus sale of this product to this order";
                return Err(Problem::new(&NOT_FOUND, detail));
            }
            Release::TooMany => return Err(too_many()),
        }
        let records = self.0.store.find_records(&[order]).await?;
        let record = records.first().copied().unwrap_or(OrderRecord::Unknown);
        Ok(Json(OutcomeBody::new(order, record)))
    }
}

fn too_many() -> Problem {
    BodyFields::one_invalid(
        "product_id",
        format!("there would be more than {MAX_STOCK} on hand"),
    )
}

impl FromFields for ReleaseOrder {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("ReleaseOrder", "An order whose stock is to be given back.")
            .required(
                "order_id",
                "The order whose stock is given back.",
                schema::id(),
            )
            .required(
                "product_id",
                "The product that the order took.",
                schema::id(),
            )
            .example(json!({ "order_id": OrderId::EXAMPLE, "product_id": ProductId::EXAMPLE }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        let order_id = fields.parsed("order_id");
        let product_id = fields.parsed("product_id");
        Some(Self {
            order_id: order_id?,
            product_id: product_id?,
        })
    }
}

impl FromFields for ReleaseSurplus {
    fn schema() -> ObjectSchema {
        ObjectSchema::new(
            "ReleaseSurplus",
            "A movement by which an order took its stock once too often.",
        )
        .required(
            "order_id",
            "The order whose stock is given back.",
            schema::id(),
        )
        .required(
            "product_id",
            "The product that the order took.",
            schema::id(),
        )
        .required(
            "movement_id",
            "The surplus movement.",
            schema::text(MAX_MOVEMENT_ID, MOVEMENT_ID),
        )
        .example(json!({
            "order_id": OrderId::EXAMPLE,
            "product_id": ProductId::EXAMPLE,
            "movement_id": "1795168805200-0",
        }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        let order = fields.parsed("order_id");
        let product = fields.parsed("product_id");
        let movement = fields.parsed("movement_id");
        Some(Self {
            order: order?,
            product: product?,
            movement: movement?,
        })
    }
}
