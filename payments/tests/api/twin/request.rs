//! The calls of payments' functions as values: their keys and arguments in order.

use payments::domain::{PlaceOrder, Quote};
use proof::invocation::Invocation;
use proof::twin::claim::Claim;
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::store::claim::CLAIMS;
use shared::store::condition::Condition;
use shared::store::partition::Partition;

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: OrderId,
    pub(crate) wanted: PlaceOrder,
    pub(crate) quote: Quote,
    pub(crate) context: RequestContext,
    pub(crate) minted_at: u64,
    pub(crate) claim: Option<Claim>,
}

/// Orders that are placed in one call. They have one delay.
#[derive(Clone, Debug)]
pub(crate) struct PlaceAll {
    pub(crate) delay_ms: u64,
    pub(crate) orders: Vec<Place>,
}

#[derive(Clone, Debug)]
pub(crate) struct Complete {
    pub(crate) limit: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) id: OrderId,
    pub(crate) condition: Condition,
    pub(crate) claim: Option<Claim>,
}

/// One refund of a batch: the order, the reason, and the entry that asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: OrderId,
    pub(crate) reason: RefundReason,
    pub(crate) entry: String,
    pub(crate) product: ProductId,
    pub(crate) quantity: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) orders: Vec<Asked>,
}

/// An order whose event is emitted again.
#[derive(Clone, Debug)]
pub(crate) struct EmitAgain {
    pub(crate) id: OrderId,
}

impl PlaceAll {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = Invocation::new("place_orders")
            .key(partition.key("orders"))
            .key(partition.key("due"))
            .key(partition.key("changes"))
            .arg(partition.key_of("order", ""))
            .arg(partition.key_of(CLAIMS, ""))
            .arg(self.delay_ms);
        self.orders.iter().fold(call, |call, place| {
            let claim = place.claim.as_ref();
            let value = claim.map(|claim| format!("{} {}", claim.fingerprint, place.id));
            call.arg(place.id)
                .arg(claim.map_or("", |claim| &claim.hash))
                .arg(value.unwrap_or_default())
                .arg(place.line())
        })
    }
}

impl Place {
    /// The part of the line that never changes.
    pub(crate) fn line(&self) -> String {
        let PlaceOrder {
            product_id,
            quantity,
        } = self.wanted;
        let Quote { price, fee, total } = self.quote;
        let RequestContext {
            traceparent,
            request_id,
        } = &self.context;
        format!("{quantity} {price} {fee} {total} {product_id} {traceparent} {request_id}")
    }
}

impl Complete {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("complete_due")
            .key(partition.key("due"))
            .key(partition.key("order_completed"))
            .key(partition.key("changes"))
            .key(partition.key("account"))
            .arg(partition.key_of("order", ""))
            .arg(self.limit)
    }
}

impl Cancel {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = Invocation::new("cancel_order")
            .key(partition.key_of("order", self.id))
            .key(partition.key("due"))
            .key(partition.key("changes"))
            .arg(self.id)
            .arg(self.condition.to_arg());
        call.claim(&partition.key_of(CLAIMS, ""), self.claim.as_ref())
    }
}

impl Refund {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        let call = Invocation::new("refund_orders")
            .key(partition.key("changes"))
            .key(partition.key("account"));
        self.orders.iter().fold(call, |call, asked| {
            call.key(partition.key_of("order", asked.id))
                .arg(asked.id)
                .arg(asked.reason)
                .arg(&asked.entry)
                .arg(asked.product)
                .arg(asked.quantity)
        })
    }
}

impl EmitAgain {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("emit_again")
            .key(partition.key_of("order", self.id))
            .key(partition.key("order_completed"))
            .arg(self.id)
    }
}

pub(crate) fn read_account(partition: Partition) -> Invocation {
    Invocation::new("read_account").key(partition.key("account"))
}
