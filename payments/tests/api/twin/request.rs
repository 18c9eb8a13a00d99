//! The calls of the functions of payments, as values: their keys and arguments in order.

use payments::domain::{PlaceOrder, Quote};
use shared::event::RefundReason;
use shared::function::Call;
use shared::id::{OrderId, Partition};
use shared::request::RequestContext;

/// An idempotency key, and which of the requests that use it this is.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) hash: String,
    pub(crate) fingerprint: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: OrderId,
    pub(crate) wanted: PlaceOrder,
    pub(crate) quote: Quote,
    pub(crate) context: RequestContext,
    pub(crate) delay_ms: u64,
    pub(crate) minted_at: u64,
    pub(crate) claim: Option<Claim>,
}

#[derive(Clone, Debug)]
pub(crate) struct Complete {
    pub(crate) limit: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) id: OrderId,
    pub(crate) claim: Option<Claim>,
}

/// One refund of a batch: the order, why, and the entry that asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) id: OrderId,
    pub(crate) reason: RefundReason,
    pub(crate) entry: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Refund {
    pub(crate) orders: Vec<Asked>,
}

impl Place {
    pub(crate) fn call(&self, partition: Partition) -> Call {
        let call = Call::new("place_order")
            .key(partition.key_of("order", self.id))
            .key(partition.key("orders"))
            .key(partition.key("due"))
            .key(partition.key("changes"))
            .text(self.id)
            .text(self.wanted.product_id)
            .text(self.wanted.quantity)
            .text(self.quote.price)
            .text(self.quote.fee)
            .text(self.quote.total)
            .text(&self.context.traceparent)
            .text(&self.context.request_id)
            .text(self.delay_ms)
            .text(self.minted_at);
        claimed(call, partition, self.claim.as_ref())
    }
}

impl Complete {
    pub(crate) fn call(&self, partition: Partition) -> Call {
        Call::new("complete_due")
            .key(partition.key("due"))
            .key(partition.key("order_completed"))
            .key(partition.key("changes"))
            .text(partition.key_of("order", ""))
            .text(self.limit)
    }
}

impl Cancel {
    pub(crate) fn call(&self, partition: Partition) -> Call {
        let call = Call::new("cancel_order")
            .key(partition.key_of("order", self.id))
            .key(partition.key("due"))
            .key(partition.key("changes"))
            .text(self.id);
        claimed(call, partition, self.claim.as_ref())
    }
}

impl Refund {
    pub(crate) fn call(&self, partition: Partition) -> Call {
        let call = Call::new("refund_orders").key(partition.key("changes"));
        self.orders.iter().fold(call, |call, asked| {
            call.key(partition.key_of("order", asked.id))
                .text(asked.id)
                .text(asked.reason)
                .text(&asked.entry)
        })
    }
}

fn claimed(call: Call, partition: Partition, claim: Option<&Claim>) -> Call {
    call.text(partition.key_of("idempotency", ""))
        .text(claim.map_or("", |claim| &claim.hash))
        .text(claim.map_or("", |claim| &claim.fingerprint))
}
