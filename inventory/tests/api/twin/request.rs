//! The calls of inventory's functions as values: their keys and arguments in order.

use inventory::domain::{Cause, ProductName};
use proof::invocation::Invocation;
use proof::twin::claim::Claim;
use serde_json::{Value, json};
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::{RequestContext, RequestId, TraceParent};
use shared::store::claim::CLAIMS;
use shared::store::condition::Condition;
use shared::store::partition::Partition;

/// Milliseconds in an hour. The records of the orders of one hour are in one key.
pub(crate) const HOUR_MS: u64 = 60 * 60 * 1_000;
/// The position in the id of an order where the name of its record begins.
pub(crate) const RECORD_FROM: usize = 6;

#[derive(Clone, Debug)]
pub(crate) struct Create {
    pub(crate) id: ProductId,
    pub(crate) name: ProductName,
    pub(crate) price: String,
    pub(crate) quantity: u32,
    pub(crate) claim: Option<Claim>,
}

#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) id: ProductId,
    pub(crate) condition: Condition,
    pub(crate) name: Option<ProductName>,
    pub(crate) price: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Adjust {
    pub(crate) id: ProductId,
    pub(crate) cause: Cause,
    pub(crate) quantity: u32,
    pub(crate) note: Option<String>,
    pub(crate) condition: Condition,
    pub(crate) most: u32,
    pub(crate) claim: Option<Claim>,
}

#[derive(Clone, Debug)]
pub(crate) struct Delete {
    pub(crate) id: ProductId,
    pub(crate) condition: Condition,
}

/// A paid order. The time in its id decides where its record is, and how long it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Paid {
    pub(crate) id: OrderId,
    pub(crate) minted_at: u64,
    pub(crate) product: ProductId,
    pub(crate) quantity: u32,
    pub(crate) traceparent: TraceParent,
    pub(crate) request_id: RequestId,
}

#[derive(Clone, Debug)]
pub(crate) struct Apply {
    pub(crate) keep_ms: u64,
    pub(crate) orders: Vec<Paid>,
}

/// The request to give back the stock of an order.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) order: OrderId,
    pub(crate) minted_at: u64,
    pub(crate) product: ProductId,
    pub(crate) most: u32,
    pub(crate) context: RequestContext,
}

/// The request to give back a movement, because its order took its stock twice.
#[derive(Clone, Debug)]
pub(crate) struct Surplus {
    pub(crate) order: OrderId,
    pub(crate) minted_at: u64,
    pub(crate) product: ProductId,
    pub(crate) most: u32,
    pub(crate) movement: String,
}

impl Paid {
    pub(crate) fn of(order: &OrderCompleted) -> Self {
        Self {
            id: order.order_id,
            minted_at: order.ordered_at.as_millis(),
            product: order.product_id,
            quantity: order.quantity,
            traceparent: order.traceparent.clone(),
            request_id: order.request_id.clone(),
        }
    }

    pub(crate) fn hour(&self) -> u64 {
        hour_of(self.minted_at)
    }
}

impl Create {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = catalogue("create_product", partition, self.id)
            .arg(self.name.as_str())
            .arg(self.name.folded())
            .arg(&self.price)
            .arg(self.quantity);
        call.claim(&partition.key_of(CLAIMS, ""), self.claim.as_ref())
    }
}

impl Update {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("update_product")
            .key(partition.key_of("product", self.id))
            .key(partition.key("names"))
            .key(partition.key("changes"))
            .arg(self.id)
            .arg(self.condition.to_arg())
            .arg(self.name.as_ref().map_or("", ProductName::as_str))
            .arg(
                self.name
                    .as_ref()
                    .map(ProductName::folded)
                    .unwrap_or_default(),
            )
            .arg(self.price.as_deref().unwrap_or_default())
    }
}

impl Adjust {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = Invocation::new("adjust_stock")
            .key(partition.key_of("product", self.id))
            .key(partition.key_of("movements", self.id))
            .key(partition.key("changes"))
            .arg(self.id)
            .arg(self.cause.kind().as_str())
            .arg(self.quantity)
            .arg(self.note.as_deref().unwrap_or_default())
            .arg(self.condition.to_arg())
            .arg(self.most);
        call.claim(&partition.key_of(CLAIMS, ""), self.claim.as_ref())
    }
}

impl Delete {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = catalogue("delete_product", partition, self.id);
        call.arg(self.condition.to_arg())
    }
}

impl Apply {
    /// The products of the batch, each once.
    pub(crate) fn products(&self) -> Vec<ProductId> {
        let mut products = Vec::new();
        for order in &self.orders {
            if !products.contains(&order.product) {
                products.push(order.product);
            }
        }
        products
    }

    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let products = self.products();
        let place = |order: &Paid| products.iter().position(|id| *id == order.product).unwrap() + 1;
        let ids: Vec<String> = self
            .orders
            .iter()
            .map(|order| order.id.to_string())
            .collect();
        let begins = |(order, id): (&Paid, &String)| (order.hour(), id[..RECORD_FROM].to_owned());
        let begins: Vec<_> = self.orders.iter().zip(&ids).map(begins).collect();
        let runs = begins.chunk_by(|one, next| one == next);
        let runs: Vec<Value> = runs
            .map(|run| json!([run[0].0, run.len(), run[0].1]))
            .collect();
        let records: Vec<&str> = ids.iter().map(|id| &id[RECORD_FROM..]).collect();
        let orders = self
            .orders
            .iter()
            .flat_map(|order| [json!(place(order)), json!(order.quantity)]);
        let events = self.orders.iter().flat_map(|order| {
            [
                json!(order.traceparent.as_str()),
                json!(order.request_id.as_str()),
            ]
        });
        Invocation::new("apply_orders")
            .key(partition.key("refund_order"))
            .key(partition.key("record_hours"))
            .key(partition.key("changes"))
            .arg(self.keep_ms)
            .arg(partition.key_of("product", ""))
            .arg(partition.key_of("movements", ""))
            .arg(partition.key_of("records", ""))
            .arg(json!(products))
            .arg(json!(runs))
            .arg(json!(records))
            .arg(orders.collect::<Value>())
            .arg(events.collect::<Value>())
    }
}

impl Release {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let Self {
            order,
            minted_at,
            product,
            most,
            context,
        } = self;
        release(
            "release_order",
            partition,
            (*order, *minted_at),
            *product,
            *most,
        )
        .key(partition.key("refund_order"))
        .arg(&context.traceparent)
        .arg(&context.request_id)
    }
}

impl Surplus {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let Self {
            order,
            minted_at,
            product,
            most,
            movement,
        } = self;
        release(
            "release_surplus",
            partition,
            (*order, *minted_at),
            *product,
            *most,
        )
        .arg(movement)
    }
}

/// A call that gives back the stock of an order.
fn release(
    function: &'static str,
    partition: Partition,
    (order, minted_at): (OrderId, u64),
    product: ProductId,
    most: u32,
) -> Invocation {
    Invocation::new(function)
        .key(partition.key_of("product", product))
        .key(partition.key_of("movements", product))
        .key(partition.key_of("records", hour_of(minted_at)))
        .key(partition.key("changes"))
        .arg(order)
        .arg(product)
        .arg(most)
        .arg(hour_of(minted_at))
}

/// The hour of an order that was placed at this time, counted from 1970.
pub(crate) fn hour_of(minted_at: u64) -> u64 {
    minted_at / HOUR_MS
}

/// A call that adds a product to the lists, or removes it.
fn catalogue(function: &'static str, partition: Partition, id: ProductId) -> Invocation {
    Invocation::new(function)
        .key(partition.key_of("product", id))
        .key(partition.key("products"))
        .key(partition.key("names"))
        .key(partition.key_of("movements", id))
        .key(partition.key("changes"))
        .arg(id)
}
