//! The calls of the functions of inventory, as values: their keys and arguments in order.

use inventory::domain::{Cause, ProductName};
use shared::conditional::IfMatch;
use shared::id::{OrderId, Partition, ProductId};
use shared::idempotency::CLAIMS;
use shared::trace::{RequestId, TraceParent};
use stack::invocation::Invocation;
use stack::twin::claim::Claim;

/// Milliseconds of order ids whose records share a bucket.
const BUCKET_MS: u64 = 60 * 60 * 1_000;

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
    pub(crate) condition: Option<IfMatch>,
    pub(crate) name: Option<ProductName>,
    pub(crate) price: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Adjust {
    pub(crate) id: ProductId,
    pub(crate) cause: Cause,
    pub(crate) quantity: u32,
    pub(crate) note: Option<String>,
    pub(crate) condition: Option<IfMatch>,
    pub(crate) most: u32,
    pub(crate) claim: Option<Claim>,
}

#[derive(Clone, Debug)]
pub(crate) struct Delete {
    pub(crate) id: ProductId,
    pub(crate) condition: Option<IfMatch>,
}

/// A paid order. The time inside its id decides where it is remembered, and for how long.
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

/// An order whose stock is given back.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) order: OrderId,
    pub(crate) minted_at: u64,
    pub(crate) product: ProductId,
    pub(crate) most: u32,
}

impl Paid {
    pub(crate) fn bucket(&self) -> u64 {
        bucket(self.minted_at)
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
            .arg(IfMatch::to_arg(&self.condition))
            .arg(self.name.as_ref().map_or("", ProductName::as_str))
            .arg(self.name.as_ref().map(ProductName::folded).unwrap_or_default())
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
            .arg(IfMatch::to_arg(&self.condition))
            .arg(self.most);
        call.claim(&partition.key_of(CLAIMS, ""), self.claim.as_ref())
    }
}

impl Delete {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = catalogue("delete_product", partition, self.id);
        call.arg(IfMatch::to_arg(&self.condition))
    }
}

impl Apply {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = Invocation::new("apply_orders")
            .key(partition.key("refund_order"))
            .key(partition.key("applied"))
            .key(partition.key("changes"))
            .arg(self.keep_ms);
        self.orders.iter().fold(call, |call, order| {
            call.key(partition.key_of("product", order.product))
                .key(partition.key_of("movements", order.product))
                .key(partition.key_of("applied", order.bucket()))
                .arg(order.id)
                .arg(order.minted_at)
                .arg(order.product)
                .arg(order.quantity)
                .arg(&order.traceparent)
                .arg(&order.request_id)
                .arg(order.bucket())
        })
    }
}

impl Release {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("release_order")
            .key(partition.key_of("product", self.product))
            .key(partition.key_of("movements", self.product))
            .key(partition.key_of("applied", bucket(self.minted_at)))
            .key(partition.key("changes"))
            .arg(self.order)
            .arg(self.product)
            .arg(self.most)
    }
}

fn bucket(minted_at: u64) -> u64 {
    minted_at / BUCKET_MS
}

/// A call that puts a product into the catalogue, or takes it out.
fn catalogue(function: &'static str, partition: Partition, id: ProductId) -> Invocation {
    Invocation::new(function)
        .key(partition.key_of("product", id))
        .key(partition.key("products"))
        .key(partition.key("names"))
        .key(partition.key_of("movements", id))
        .key(partition.key("changes"))
        .arg(id)
}
