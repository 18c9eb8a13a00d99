//! The operation for operators of the system.

use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::types::Example;
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use serde::Serialize;
use shared::contract::id::{OrderId, ProductId};
use shared::http::json::Json;
use shared::http::page::{Limit, Listing};
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::http::request::RequestScope;
use shared::store::index::Scanned;
use shared::store::partition::Partition;

use super::{Api, Tag};
use crate::audit::{self, Difference, Kind, Totals};
use crate::domain::Found;
use crate::inventory_client::{InventoryError, OPEN_FOR};

/// The operation for operators of the system.
pub(super) struct AdminApi(pub(super) Api);

/// A comparison of orders with the records of inventory.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "OrderAudit", example)]
struct AuditBody {
    /// Orders that were compared.
    orders: usize,
    /// The sum that these orders were charged, in minor units.
    charged: u64,
    /// The sum that was refunded of that, in minor units.
    refunded: u64,
    /// The sums that were charged and refunded for all orders, by the account.
    account: AccountBody,
    /// Differences between the records.
    differences: Vec<DifferenceBody>,
}

/// The sums that were charged and refunded for all orders.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Account", example)]
struct AccountBody {
    /// The totals of all orders that were ever paid, in minor units.
    charged: u64,
    /// The totals of the orders that were refunded, in minor units.
    refunded: u64,
}

/// A difference between the records.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Difference", skip_serializing_if_is_none, example)]
struct DifferenceBody {
    /// The kind of difference.
    kind: KindBody,
    /// The order it is about.
    order_id: OrderId,
    /// The product it is about. Absent where the order cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<ProductId>,
    /// What was found.
    detail: String,
}

/// The kinds of difference between the records of an order.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "DifferenceKind", rename_all = "snake_case")]
enum KindBody {
    /// Its record cannot be read, or is missing.
    OrderDamaged,
    /// Its total is not the price of its pieces plus the fee.
    WrongTotal,
    /// It is pending, and its time has long passed.
    Overdue,
    /// It is paid, and inventory knows nothing of it.
    NoOutcome,
    /// It is paid, and inventory calls it too old to remember, although it is not.
    ForgottenEarly,
    /// It is paid, and inventory rejected or released it.
    RefundMissing,
    /// It is cancelled or refunded, and its stock is taken.
    StockTaken,
}

#[derive(ApiResponse)]
enum AuditResponse {
    /// What was found on this page of the orders.
    #[oai(status = 200)]
    Page(
        Json<AuditBody>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

/// An order that changed within this time may still be on its way.
const GRACE: Duration = Duration::from_mins(1);

#[OpenApi]
impl AdminApi {
    /// Compare orders with the records of inventory.
    ///
    /// Compares one page of the orders, the newest first. An order that changed within the last
    /// minute may still be on its way, and is not compared. `payments reconcile` compares all
    /// orders, the ledgers of inventory and the account, and repairs what is safe to repair.
    #[oai(
        path = "/admin/audit",
        method = "get",
        tag = "Tag::Admin",
        operation_id = "auditOrders"
    )]
    async fn audit(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// Orders on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
    ) -> Result<AuditResponse, Problem> {
        let Api {
            store, inventory, ..
        } = &self.0;
        let listing = Listing::at("/admin/audit");
        let position = listing.position(cursor.0.as_deref())?;
        let mut totals = Totals::beside(store.read_accounts().await?);
        let page = store.list_records(None, position, limit.0.get()).await?;
        let Scanned { items, next } = page;
        let ids: Vec<OrderId> = items.iter().map(|(id, _)| *id).collect();
        let outcomes = inventory
            .outcomes(&ids, &scope.context)
            .await
            .map_err(cannot_ask)?;
        let unchanged_since = totals.read_at().earlier_by(GRACE);
        let mut differences = Vec::new();
        for ((id, found), outcome) in items.iter().zip(outcomes) {
            if let Found::Order(order) = found {
                totals.add(&store.own.partitions().of(*id), order);
            }
            let found = audit::compare_record(*id, found, outcome, unchanged_since);
            differences.extend(
                found
                    .into_iter()
                    .filter_map(|found| DifferenceBody::of(*id, found)),
            );
        }
        let body = AuditBody::new(items.len(), &totals, differences);
        Ok(AuditResponse::Page(Json(body), listing.link(limit.0, next)))
    }
}

/// The same kinds of problem as for a missing price. The detail names what was asked for: the
/// outcomes of orders.
fn cannot_ask(error: InventoryError) -> Problem {
    Problem::new(
        Problem::from(error).kind(),
        "inventory cannot tell the outcomes of the orders",
    )
    .retry_after(OPEN_FOR)
}

impl AuditBody {
    fn new(orders: usize, totals: &Totals<Partition>, differences: Vec<DifferenceBody>) -> Self {
        let ((charged, refunded), account) = (totals.orders(), totals.accounts());
        let account = AccountBody {
            charged: account.0,
            refunded: account.1,
        };
        Self {
            orders,
            charged,
            refunded,
            account,
            differences,
        }
    }
}

impl DifferenceBody {
    /// `None` for what is about no order: the other pass of a reconciliation finds that.
    fn of(order_id: OrderId, difference: Difference) -> Option<Self> {
        let kind = match difference.kind {
            Kind::OrderDamaged => KindBody::OrderDamaged,
            Kind::WrongTotal => KindBody::WrongTotal,
            Kind::Overdue => KindBody::Overdue,
            Kind::NoOutcome => KindBody::NoOutcome,
            Kind::ForgottenEarly => KindBody::ForgottenEarly,
            Kind::RefundMissing => KindBody::RefundMissing,
            Kind::StockTaken => KindBody::StockTaken,
            Kind::UnknownOrder
            | Kind::OtherSale
            | Kind::UnrecordedSale
            | Kind::SoldTwice
            | Kind::WrongStock
            | Kind::WrongAccount => return None,
        };
        let Difference {
            product_id, detail, ..
        } = difference;
        Some(Self {
            kind,
            order_id,
            product_id,
            detail,
        })
    }
}

impl Example for AuditBody {
    fn example() -> Self {
        Self {
            orders: 20,
            charged: 95_520,
            refunded: 4_776,
            account: AccountBody::example(),
            differences: vec![DifferenceBody::example()],
        }
    }
}

impl Example for AccountBody {
    fn example() -> Self {
        Self {
            charged: 9_552_000,
            refunded: 477_600,
        }
    }
}

impl Example for DifferenceBody {
    fn example() -> Self {
        Self {
            kind: KindBody::RefundMissing,
            order_id: OrderId::EXAMPLE,
            product_id: Some(ProductId::EXAMPLE),
            detail: "paid, and rejected by inventory: insufficient_stock".to_owned(),
        }
    }
}
