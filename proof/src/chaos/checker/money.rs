//! `MoneyIsExact`: whether every order was charged and refunded exactly.

use std::collections::HashMap;

use super::stores::{Order, Stores};
use super::{Evidence, Finding, Rule};

/// The fee of the services under test: a fifth, rounded half up to the cent.
const FEE_DIVISOR: i64 = 5;

/// `MoneyIsExact`: the amounts of each order are right to the cent, each charge has an event with
/// the same total, and the account is the sum of the orders.
pub(super) fn check(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::MoneyIsExact);
    finding.facts += usize::try_from(evidence.watch.charges).unwrap_or(usize::MAX);
    let stores = evidence.stores;
    for (id, order) in &stores.orders {
        finding.expect(is_exact(order), || {
            let Order {
                quantity,
                price,
                fee,
                total,
                ..
            } = order;
            format!("order {id}: {quantity} x {price} and a fee of {fee} make {total}")
        });
        finding.expect(has_its_times(order), || {
            format!("order {id} contradicts itself: {order:?}")
        });
    }
    events(evidence, &mut finding);
    account(stores, &mut finding);
    finding
}

fn is_exact(order: &Order) -> bool {
    let goods = order.price * order.quantity;
    let fee = (goods + FEE_DIVISOR / 2) / FEE_DIVISOR;
    order.fee == fee && order.total == goods + fee && order.price > 0 && order.quantity > 0
}

/// Whether an order has exactly the times that belong to its status.
fn has_its_times(order: &Order) -> bool {
    let times = (
        order.paid_at.is_some(),
        order.cancelled_at.is_some(),
        order.refunded_at.is_some(),
    );
    match order.status.as_str() {
        "pending" => times == (false, false, false),
        "paid" => times == (true, false, false),
        "cancelled" => times == (false, true, false),
        "refunded" => times == (true, false, true),
        _ => false,
    }
}

/// Every event of an order has the total that was charged. Every charge has an event, unless the
/// harness trimmed the event.
fn events(evidence: &Evidence<'_>, finding: &mut Finding) {
    let stores = evidence.stores;
    let trimmed = evidence.orders_trimmed();
    let mut told: HashMap<&str, i64> = HashMap::new();
    for event in stores.completed.events() {
        let first = told.entry(event.order.as_str()).or_insert(event.total);
        finding.expect(*first == event.total, || {
            format!(
                "order {}: one event says {first}, another {}",
                event.order, event.total
            )
        });
    }
    for (id, order) in &stores.orders {
        let told = told.get(id.as_str()).copied();
        let expected = order.was_paid().then_some(order.total);
        let removed = trimmed.contains_key(id.as_str()) && told.is_none();
        finding.expect(told == expected || removed, || {
            format!(
                "order {id} is {} of {}, its events say {told:?}",
                order.status, order.total
            )
        });
    }
}

fn account(stores: &Stores, finding: &mut Finding) {
    let Some((charged, refunded)) = stores.account else {
        return;
    };
    let sum = |counts: fn(&Order) -> bool| -> i64 {
        stores
            .orders
            .values()
            .filter(|order| counts(order))
            .map(|order| order.total)
            .sum()
    };
    let (paid, back) = (
        sum(Order::was_paid),
        sum(|order| order.status == "refunded"),
    );
    finding.expect((charged, refunded) == (paid, back), || {
        format!("the account says {charged} and {refunded} back, the orders {paid} and {back}")
    });
}
