//! What an audit asks inventory: the records of orders, its products and their movements.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::http::page::MAX_LIMIT;

use super::answer::{Answered, nonsense};
use super::{InventoryClient, InventoryError};
use crate::domain::OrderRecord;

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The items on it.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<String>,
}

/// The stock of a product at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// The product.
    pub product_id: ProductId,
    /// Pieces on hand.
    pub quantity: i64,
    /// Counts the changes of the product.
    pub version: u64,
}

/// A movement in the ledger of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its id, which also tells the time.
    pub id: EntryId,
    /// The change of the stock in pieces; negative where pieces left it.
    pub delta: i64,
    /// Pieces on hand after it.
    pub balance: i64,
    /// The cause of the movement.
    pub cause: Cause,
}

/// The cause of a movement, as far as an audit needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An order was sold.
    Sale(OrderId),
    /// The stock of an order came back.
    Release(OrderId),
    /// An operator counted the pieces.
    Count,
    /// Something else.
    Other,
}

#[derive(Deserialize)]
struct OutcomeAnswer {
    order_id: String,
    outcome: String,
    movement_id: Option<String>,
}

#[derive(Deserialize)]
struct ProductAnswer {
    id: String,
    quantity: i64,
    version: u64,
}

#[derive(Deserialize)]
struct MovementAnswer {
    id: String,
    kind: String,
    delta: i64,
    balance: i64,
    order_id: Option<String>,
}

impl InventoryClient {
    /// The records of these orders, at most [`MAX_LIMIT`].
    pub async fn outcomes(
        &self,
        orders: &[OrderId],
        context: &RequestContext,
    ) -> Result<Vec<OrderRecord>, InventoryError> {
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = orders.iter().map(OrderId::to_string).collect();
        let mut url = self.0.url(&["admin", "outcomes"])?;
        url.query_pairs_mut().append_pair("orders", &ids.join(","));
        let slots = &self.0.movements;
        self.0
            .ask(slots, url, None, context, |answer| {
                parse_outcomes(answer, orders)
            })
            .await
    }

    /// A page of the stock of all products.
    pub async fn stocks(
        &self,
        cursor: Option<&str>,
        context: &RequestContext,
    ) -> Result<Page<Stock>, InventoryError> {
        self.page(&["products"], cursor, context, |answer: ProductAnswer| {
            answer.read()
        })
        .await
    }

    /// The stock of a product; `None` when there is no such product (any more).
    pub async fn stock(
        &self,
        product: ProductId,
        context: &RequestContext,
    ) -> Result<Option<Stock>, InventoryError> {
        let url = self.0.url(&["products", &product.to_string()])?;
        let read = |answer: &Answered| parse::<ProductAnswer>(answer)?.read().map(Some);
        none_if_missing(
            self.0
                .ask(&self.0.movements, url, None, context, read)
                .await,
        )
    }

    /// A page of the ledger of a product, the newest movement first; `None` when there never was
    /// such a product.
    pub async fn ledger(
        &self,
        product: ProductId,
        cursor: Option<&str>,
        context: &RequestContext,
    ) -> Result<Option<Page<LedgerEntry>>, InventoryError> {
        let path = ["products", &product.to_string(), "movements"];
        let page = self.page(&path, cursor, context, |answer: MovementAnswer| {
            answer.read()
        });
        none_if_missing(page.await.map(Some))
    }

    /// Has inventory give back the stock of an order. `false` when no stock of this product is
    /// taken.
    pub async fn release(
        &self,
        order: OrderId,
        product: ProductId,
        context: &RequestContext,
    ) -> Result<bool, InventoryError> {
        let body = json!({ "order_id": order, "product_id": product });
        self.give_back("releases", order, &body, context).await
    }

    /// Has inventory give back what an order took by a surplus movement. `false` for another
    /// movement.
    pub async fn release_surplus(
        &self,
        order: OrderId,
        product: ProductId,
        movement: EntryId,
        context: &RequestContext,
    ) -> Result<bool, InventoryError> {
        let movement = movement.to_string();
        let body = json!({ "order_id": order, "product_id": product, "movement_id": movement });
        self.give_back("surpluses", order, &body, context).await
    }

    async fn give_back(
        &self,
        what: &str,
        order: OrderId,
        body: &Value,
        context: &RequestContext,
    ) -> Result<bool, InventoryError> {
        let (url, body) = (self.0.url(&["admin", what])?, body.to_string());
        let read = |answer: &Answered| parse_outcomes_one(answer, order);
        let given = self
            .0
            .ask(&self.0.movements, url, Some(body), context, read)
            .await;
        Ok(none_if_missing(given.map(Some))?.is_some())
    }

    async fn page<A: DeserializeOwned, T>(
        &self,
        path: &[&str],
        cursor: Option<&str>,
        context: &RequestContext,
        read: impl Fn(A) -> Result<T, InventoryError>,
    ) -> Result<Page<T>, InventoryError> {
        let mut url = self.0.url(path)?;
        url.query_pairs_mut()
            .append_pair("limit", &MAX_LIMIT.to_string());
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let read = |answer: &Answered| {
            let items = parse::<Vec<A>>(answer)?.into_iter().map(read);
            Ok(Page {
                items: items.collect::<Result<_, _>>()?,
                next: answer.cursor.clone(),
            })
        };
        self.0
            .ask(&self.0.movements, url, None, context, read)
            .await
    }
}

impl ProductAnswer {
    fn read(self) -> Result<Stock, InventoryError> {
        let product_id = self.id.parse().map_err(|error| nonsense(&error))?;
        Ok(Stock {
            product_id,
            quantity: self.quantity,
            version: self.version,
        })
    }
}

impl MovementAnswer {
    fn read(self) -> Result<LedgerEntry, InventoryError> {
        let id = self.id.parse().map_err(|error| nonsense(&error))?;
        let order = self.order_id.map(|order| order.parse()).transpose();
        let cause = match (self.kind.as_str(), order.map_err(|error| nonsense(&error))?) {
            ("sale", Some(order)) => Cause::Sale(order),
            ("release", Some(order)) => Cause::Release(order),
            ("stocktake", _) => Cause::Count,
            _ => Cause::Other,
        };
        Ok(LedgerEntry {
            id,
            delta: self.delta,
            balance: self.balance,
            cause,
        })
    }
}

impl OutcomeAnswer {
    fn read(self, order: OrderId) -> Result<OrderRecord, InventoryError> {
        if self.order_id.parse() != Ok(order) {
            return Err(InventoryError::Nonsense(
                "the outcome of another order".to_owned(),
            ));
        }
        let movement = self.movement_id.unwrap_or_default().parse();
        Ok(match self.outcome.as_str() {
            "applied" => OrderRecord::Applied(movement.map_err(|error| nonsense(&error))?),
            "released" => OrderRecord::Released,
            "forgotten" => OrderRecord::Forgotten,
            "unknown" => OrderRecord::Unknown,
            reason => {
                let reason: RefundReason = reason.parse().map_err(|error| nonsense(&error))?;
                OrderRecord::Rejected(reason)
            }
        })
    }
}

fn parse_outcomes(
    answer: &Answered,
    orders: &[OrderId],
) -> Result<Vec<OrderRecord>, InventoryError> {
    let answers: Vec<OutcomeAnswer> = parse(answer)?;
    if answers.len() != orders.len() {
        return Err(InventoryError::Nonsense(
            "not one outcome for each order".to_owned(),
        ));
    }
    orders
        .iter()
        .zip(answers)
        .map(|(&order, answer)| answer.read(order))
        .collect()
}

fn parse_outcomes_one(answer: &Answered, order: OrderId) -> Result<OrderRecord, InventoryError> {
    parse::<OutcomeAnswer>(answer)?.read(order)
}

fn parse<T: DeserializeOwned>(answer: &Answered) -> Result<T, InventoryError> {
    serde_json::from_slice(&answer.body).map_err(|error| nonsense(&error))
}

fn none_if_missing<T>(
    answer: Result<Option<T>, InventoryError>,
) -> Result<Option<T>, InventoryError> {
    match answer {
        Err(InventoryError::NotFound) => Ok(None),
        answer => answer,
    }
}
