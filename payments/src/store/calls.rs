//! The calls of the functions in `lua/`: their keys and arguments in order.

use std::time::Duration;

use shared::contract::event::RefundOrder;
use shared::contract::id::OrderId;
use shared::store::claim::{CLAIMS, Claim};
use shared::store::condition::Condition;
use shared::store::function::Call;
use shared::store::partition::Partition;

use super::COMPLETION_BATCH;
use super::place::Placement;
use crate::keys;

pub(super) fn place_orders(
    partition: Partition,
    delay: Duration,
    placements: &[Placement],
) -> Call {
    let call = Call::new("place_orders")
        .key(keys::orders(partition))
        .key(keys::due(partition))
        .key(keys::changes(partition))
        .arg(keys::order_prefix(partition))
        .arg(partition.key_of(CLAIMS, ""))
        .text(delay.as_millis());
    placements.iter().fold(call, |call, placement| {
        let Placement { id, claim, line } = placement;
        let call = match claim {
            Some(claim) => {
                let value = format!("{} {id}", claim.fingerprint());
                call.text(id).arg(claim.key().hash()).arg(value)
            }
            None => call.text(id).arg("").arg(""),
        };
        call.arg(line.as_str())
    })
}

pub(super) fn complete_due(partition: Partition) -> Call {
    Call::new("complete_due")
        .key(keys::due(partition))
        .key(partition.key(keys::ORDER_COMPLETED))
        .key(keys::changes(partition))
        .key(keys::account(partition))
        .arg(keys::order_prefix(partition))
        .text(COMPLETION_BATCH)
}

pub(super) fn cancel_order(
    partition: Partition,
    id: OrderId,
    condition: &Condition,
    claim: Option<&Claim>,
) -> Call {
    Call::new("cancel_order")
        .key(keys::order(partition, id))
        .key(keys::due(partition))
        .key(keys::changes(partition))
        .text(id)
        .arg(condition.to_arg())
        .claim(partition, claim)
}

/// Each refund comes with the entry that asked for it.
pub(super) fn refund_orders(partition: Partition, refunds: &[&(&RefundOrder, &str)]) -> Call {
    let call = Call::new("refund_orders")
        .key(keys::changes(partition))
        .key(keys::account(partition));
    refunds.iter().fold(call, |call, (refund, entry_id)| {
        call.key(keys::order(partition, refund.order_id))
            .text(refund.order_id)
            .arg(refund.reason.as_str())
            .arg(*entry_id)
            .text(refund.product_id)
            .text(refund.quantity)
    })
}

pub(super) fn emit_again(partition: Partition, id: OrderId) -> Call {
    Call::new("emit_again")
        .key(keys::order(partition, id))
        .key(partition.key(keys::ORDER_COMPLETED))
        .text(id)
}

pub(super) fn read_account(partition: Partition) -> Call {
    Call::new("read_account").key(keys::account(partition))
}
