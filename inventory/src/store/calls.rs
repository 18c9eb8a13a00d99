//! The calls of the functions in `lua/`: their keys and arguments in order. The lists of
//! `apply_orders` are in `apply`.

use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::store::claim::Claim;
use shared::store::condition::Condition;
use shared::store::function::Call;
use shared::store::partition::Partition;

use crate::domain::{Adjustment, MAX_STOCK, NewProduct, Note, ProductName, ProductPatch};
use crate::keys;

pub(super) fn create_product(
    partition: Partition,
    id: ProductId,
    new: &NewProduct,
    claim: Option<&Claim>,
) -> Call {
    catalogue_call("create_product", partition, id)
        .arg(new.name.as_str())
        .arg(new.name.folded())
        .text(new.price)
        .arg(i64::from(new.quantity))
        .claim(partition, claim)
}

pub(super) fn update_product(
    partition: Partition,
    id: ProductId,
    patch: &ProductPatch,
    condition: &Condition,
) -> Call {
    let name = patch.name.as_ref();
    let price = patch.price.map(|price| price.to_string());
    Call::new("update_product")
        .key(keys::product(partition, id))
        .key(keys::names(partition))
        .key(keys::changes(partition))
        .text(id)
        .arg(condition.to_arg())
        .arg(name.map_or("", ProductName::as_str))
        .arg(name.map(ProductName::folded).unwrap_or_default())
        .arg(price.unwrap_or_default())
}

pub(super) fn adjust_stock(
    partition: Partition,
    id: ProductId,
    adjustment: &Adjustment,
    condition: &Condition,
    claim: Option<&Claim>,
) -> Call {
    Call::new("adjust_stock")
        .key(keys::product(partition, id))
        .key(keys::movements(partition, id))
        .key(keys::changes(partition))
        .text(id)
        .arg(adjustment.cause.kind().as_str())
        .arg(i64::from(adjustment.quantity))
        .arg(adjustment.note.as_ref().map_or("", Note::as_str))
        .arg(condition.to_arg())
        .arg(i64::from(MAX_STOCK))
        .claim(partition, claim)
}

pub(super) fn delete_product(partition: Partition, id: ProductId, condition: &Condition) -> Call {
    catalogue_call("delete_product", partition, id).arg(condition.to_arg())
}

pub(super) fn release_order(
    partition: Partition,
    (order_id, minted_at): (OrderId, Timestamp),
    product_id: ProductId,
    context: &RequestContext,
) -> Call {
    release_call(
        "release_order",
        partition,
        (order_id, minted_at),
        product_id,
    )
    .key(partition.key(keys::REFUND_ORDER))
    .text(&context.traceparent)
    .text(&context.request_id)
}

pub(super) fn release_surplus(
    partition: Partition,
    (order_id, minted_at): (OrderId, Timestamp),
    product_id: ProductId,
    movement: EntryId,
) -> Call {
    release_call(
        "release_surplus",
        partition,
        (order_id, minted_at),
        product_id,
    )
    .text(movement)
}

pub(super) fn sweep_records(partition: Partition, first: u64, limit: u64) -> Call {
    Call::new("sweep_records")
        .key(keys::record_hours(partition))
        .arg(keys::records_prefix(partition))
        .text(first)
        .text(limit)
}

/// A call that puts a product into the indexes, or takes it out.
fn catalogue_call(function: &'static str, partition: Partition, id: ProductId) -> Call {
    Call::new(function)
        .key(keys::product(partition, id))
        .key(keys::products(partition))
        .key(keys::names(partition))
        .key(keys::movements(partition, id))
        .key(keys::changes(partition))
        .text(id)
}

/// A call that gives back stock of an order. `minted_at` is the time inside the id of the order.
fn release_call(
    function: &'static str,
    partition: Partition,
    (order_id, minted_at): (OrderId, Timestamp),
    product_id: ProductId,
) -> Call {
    let hour = keys::hour(minted_at);
    Call::new(function)
        .key(keys::product(partition, product_id))
        .key(keys::movements(partition, product_id))
        .key(keys::records(partition, hour))
        .key(keys::changes(partition))
        .text(order_id)
        .text(product_id)
        .arg(i64::from(MAX_STOCK))
        .text(hour)
}
