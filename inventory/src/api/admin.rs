//! The operations for operators of the system.

use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use serde::Serialize;
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::http::json::Json;
use shared::http::page::{Limit, Listing};
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::store::index::Scanned;
use tokio::sync::Semaphore;

use super::params::Orders;
use super::{Api, Tag};
use crate::domain::{OrderRecord, StockLedger};

/// The operations for operators of the system.
pub(super) struct AdminApi(pub(super) Api);

/// The outcome of an order.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Outcome", skip_serializing_if_is_none, example)]
pub(super) struct OutcomeBody {
    /// The order.
    order_id: OrderId,
    /// The outcome.
    outcome: OutcomeWord,
    /// The movement by which its stock is taken. Absent where no stock is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    movement_id: Option<String>,
}

/// The outcomes that an order may have.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "OutcomeKind", rename_all = "snake_case")]
enum OutcomeWord {
    /// Its stock is taken.
    Applied,
    /// There was no such product: it is to be refunded.
    ProductNotFound,
    /// There was not enough stock: it is to be refunded.
    InsufficientStock,
    /// Its stock was taken and given back: it is to be refunded.
    Released,
    /// It is older than the records that are kept.
    Forgotten,
    /// There is no record of it.
    Unknown,
}

/// A comparison of stocks with their ledgers.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "StockAudit", example)]
struct AuditBody {
    /// Products that were compared. A product that is sold all the time may be left out.
    products: usize,
    /// Pieces on hand of these products.
    quantity: u64,
    /// Products whose stock does not follow from their movements.
    differences: Vec<DifferenceBody>,
}

/// A stock that does not follow from its movements.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "StockDifference", example)]
struct DifferenceBody {
    /// The product.
    product_id: ProductId,
    /// Pieces on hand.
    quantity: u32,
    /// What is wrong.
    detail: String,
}

#[derive(ApiResponse)]
enum AuditResponse {
    /// What was found on this page of the catalogue.
    #[oai(status = 200)]
    Page(
        Json<AuditBody>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// Movements of each product that one audit looks at.
const AUDITED_MOVEMENTS: usize = 20;

/// The most audits at once; further audits wait. One audit reads up to 2 MB: the products of its
/// page with their movements.
static AUDITS: Semaphore = Semaphore::const_new(4);

#[OpenApi]
impl AdminApi {
    /// Ask for the outcomes of orders.
    ///
    /// The answers come in the order of the ids. payments compares its orders with these outcomes.
    #[oai(
        path = "/admin/outcomes",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "listOutcomes"
    )]
    async fn list_outcomes(
        &self,
        /// Ids of orders, 1 to 100, with commas in between.
        orders: Query<Orders>,
    ) -> Result<Json<Vec<OutcomeBody>>, Problem> {
        let Orders(orders) = orders.0;
        let records = self.0.store.find_records(&orders).await?;
        let outcomes = orders.into_iter().zip(records);
        Ok(Json(
            outcomes
                .map(|(id, record)| OutcomeBody::new(id, record))
                .collect(),
        ))
    }

    /// Compare stocks with their ledgers.
    ///
    /// Compares one page of the catalogue. The balance of the newest movement must be the stock.
    /// Each of the newest 20 balances must be the balance before it plus the delta.
    #[oai(
        path = "/admin/audit",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "auditStock"
    )]
    async fn audit(
        &self,
        /// Products on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
    ) -> Result<AuditResponse, Problem> {
        let listing = Listing::at("/admin/audit");
        let position: Option<String> = listing.position(cursor.0.as_deref())?;
        let (store, limit) = (&self.0.store, limit.0);
        let _turn = AUDITS.acquire().await;
        let page = store.list_ledgers(position.as_deref(), limit.get(), AUDITED_MOVEMENTS);
        let Scanned { items, next } = page.await?;
        let ledgers: Vec<StockLedger> = items.into_iter().flatten().collect();
        Ok(AuditResponse::Page(
            Json(AuditBody::new(&ledgers)),
            listing.link(limit, next),
        ))
    }
}

impl OutcomeBody {
    pub(super) fn new(order_id: OrderId, record: OrderRecord) -> Self {
        let (outcome, movement_id) = match record {
            OrderRecord::Applied(entry) => (OutcomeWord::Applied, Some(entry.to_string())),
            OrderRecord::Rejected(RefundReason::ProductNotFound) => {
                (OutcomeWord::ProductNotFound, None)
            }
            OrderRecord::Rejected(RefundReason::InsufficientStock) => {
                (OutcomeWord::InsufficientStock, None)
            }
            OrderRecord::Rejected(RefundReason::Released) | OrderRecord::Released => {
                (OutcomeWord::Released, None)
            }
            OrderRecord::Forgotten => (OutcomeWord::Forgotten, None),
            OrderRecord::Unknown => (OutcomeWord::Unknown, None),
        };
        Self {
            order_id,
            outcome,
            movement_id,
        }
    }
}

impl AuditBody {
    fn new(ledgers: &[StockLedger]) -> Self {
        let difference = |ledger: &StockLedger| {
            let detail = ledger.flaw()?.to_string();
            let product = &ledger.product;
            Some(DifferenceBody {
                product_id: product.id,
                quantity: product.quantity,
                detail,
            })
        };
        Self {
            products: ledgers.len(),
            quantity: ledgers
                .iter()
                .map(|found| u64::from(found.product.quantity))
                .sum(),
            differences: ledgers.iter().filter_map(difference).collect(),
        }
    }
}

impl Example for OutcomeBody {
    fn example() -> Self {
        Self {
            order_id: OrderId::EXAMPLE,
            outcome: OutcomeWord::Applied,
            movement_id: Some("1795168805200-0".to_owned()),
        }
    }
}

impl Example for AuditBody {
    fn example() -> Self {
        Self {
            products: 20,
            quantity: 840,
            differences: vec![DifferenceBody::example()],
        }
    }
}

impl Example for DifferenceBody {
    fn example() -> Self {
        let detail = "the newest movement left 41".to_owned();
        Self {
            product_id: ProductId::EXAMPLE,
            quantity: 42,
            detail,
        }
    }
}
