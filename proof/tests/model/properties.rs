//! The rules: what holds at every instant, and what holds after the last fault.

use crate::faults::Loss;
use crate::inventory::Decision;
use crate::payments::{Status, total};
use crate::role::Role;
use crate::rules::{Profile, Rules};
use crate::world::World;

/// A rule and whether it holds.
pub(crate) type Property = (&'static str, fn(&World, &Rules) -> bool);

/// The rules that hold at every instant. Some of them name exceptions.
pub(crate) const ALWAYS: [Property; 10] = [
    (
        "stock is never negative, and equals supply less sales",
        stock_adds_up,
    ),
    ("an order has at most one effect", at_most_one_effect),
    (
        "a status never goes back, and no order is paid before it is due",
        no_order_is_broken,
    ),
    (
        "charges less refunds are the total of all paid orders",
        money_adds_up,
    ),
    ("one idempotency key makes one order", one_order_for_a_key),
    (
        "every answer to a client is true, unless the store lost data",
        clients_were_told_the_truth,
    ),
    (
        "a paid order has its event or its outcome, unless data was lost",
        no_order_falls_silent,
    ),
    (
        "a store that lost its identity has no effects",
        no_identity_no_effect,
    ),
    (
        "no consumer halts while a replay can repair everything",
        no_consumer_halts_in_vain,
    ),
    (
        "with a gate, no effect outlives its cause",
        no_effect_without_cause,
    ),
];

/// The first rule that does not hold.
pub(crate) fn broken(world: &World, rules: &Rules) -> Option<&'static str> {
    ALWAYS
        .iter()
        .find(|(_, holds)| !holds(world, rules))
        .map(|(name, _)| *name)
}

fn stock_adds_up(world: &World, _: &Rules) -> bool {
    let store = &world.inventory.memory;
    store.products.iter().enumerate().all(|(id, product)| {
        let sold = store.sales.iter().filter(|sale| sale.product == id).count();
        let sold = i32::try_from(sold).unwrap_or(i32::MAX);
        product.on_hand >= 0 && product.on_hand + sold == product.supplied
    })
}

fn at_most_one_effect(world: &World, _: &Rules) -> bool {
    let sales = &world.inventory.memory.sales;
    let twice = |(n, sale): (usize, &_)| sales[..n].contains(sale);
    !sales.iter().enumerate().any(twice)
}

fn no_order_is_broken(world: &World, _: &Rules) -> bool {
    world.payments.memory.ids().all(|(_, order)| !order.broken)
}

fn money_adds_up(world: &World, _: &Rules) -> bool {
    let store = &world.payments.memory;
    let (mut charged, mut refunded) = (0, 0);
    for (_, order) in store.ids() {
        match order.status {
            Status::Paid => charged += total(order.product),
            Status::Refunded => {
                charged += total(order.product);
                refunded += total(order.product);
            }
            Status::Pending | Status::Cancelled => {}
        }
    }
    let account = &store.account;
    account.charged.cents() == Some(charged) && account.refunded.cents() == Some(refunded)
}

fn one_order_for_a_key(world: &World, _: &Rules) -> bool {
    let orders = &world.payments.memory.orders;
    let twice = |(n, order): (usize, &Option<crate::payments::Order>)| {
        order.is_some_and(|order| {
            orders[..n]
                .iter()
                .flatten()
                .any(|other| other.key == order.key)
        })
    };
    !orders.iter().enumerate().any(twice)
}

fn clients_were_told_the_truth(world: &World, _: &Rules) -> bool {
    let store = &world.payments.memory;
    world.loss != Loss::Nothing
        || !store.identity
        || world.clients.iter().all(|client| {
            let status = client.acknowledged.map(|order| store.status(order));
            !client.contradicted
                && status != Some(None)
                && (!client.told_cancelled || status == Some(Some(Status::Cancelled)))
        })
}

fn no_order_falls_silent(world: &World, _: &Rules) -> bool {
    let (payments, inventory) = (&world.payments.memory, &world.inventory.memory);
    world.loss != Loss::Nothing
        || !inventory.identity
        || payments.ids().all(|(id, order)| {
            order.status != Status::Paid
                || payments.order_completed.tells_of(id)
                || inventory.taken(id) > 0
                || inventory.refund_order.tells_of(id)
        })
}

fn no_identity_no_effect(world: &World, _: &Rules) -> bool {
    let (payments, inventory) = (&world.payments.memory, &world.inventory.memory);
    (payments.identity || payments.orders.is_empty())
        && (inventory.identity || inventory.records.is_empty() && !inventory.refund_order.has_new())
}

fn no_consumer_halts_in_vain(world: &World, _: &Rules) -> bool {
    !world.is_halted_in_vain
}

fn no_effect_without_cause(world: &World, rules: &Rules) -> bool {
    let (payments, inventory) = (&world.payments.memory, &world.inventory.memory);
    let gated = rules.profile == Profile::Gated && payments.identity && inventory.identity;
    let paid = |status| matches!(status, Some(Status::Paid | Status::Refunded));
    !gated
        || world.loss == Loss::Beyond
        || inventory
            .sales
            .iter()
            .all(|sale| paid(payments.status(sale.order)))
            && payments.ids().all(|(id, order)| {
                order.status != Status::Refunded
                    || inventory.decision(id) == Some(Decision::Rejected)
            })
}

/// Whether no work is left.
pub(crate) fn is_quiet(world: &mut World) -> bool {
    let unpaid = |world: &World| {
        let mut orders = world.payments.memory.ids();
        orders.any(|(_, order)| order.status == Status::Pending)
    };
    let idle = world
        .consumers
        .iter()
        .all(|consumer| consumer.gone || consumer.is_idle());
    let drained = [Role::Orders, Role::Refunds].map(|role| world.stream(role).is_drained());
    !unpaid(world) && idle && drained == [true, true]
}

/// How the stores disagree. `reconcile` compares the same, and repairs it.
pub(crate) fn disagreement(world: &World) -> Option<&'static str> {
    let (payments, inventory) = (&world.payments.memory, &world.inventory.memory);
    let paid = |order| payments.status(order) == Some(Status::Paid);
    if payments
        .ids()
        .any(|(id, _)| paid(id) && inventory.taken(id) != 1)
    {
        return Some("an order is paid and its stock was not taken");
    }
    if inventory.sales.iter().any(|sale| !paid(sale.order)) {
        return Some("stock was taken for an order that is not paid");
    }
    None
}
