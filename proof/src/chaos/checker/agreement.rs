//! `StoresAgree`, `EffectsHappenOnce` and `NothingInvented`: whether the two stores agree, whether
//! each effect happened once, and whether each effect has a cause.

use std::collections::{HashMap, HashSet};

use super::promises::Placed;
use super::stores::{Event, Record};
use super::{Evidence, Finding, Rule};

/// `StoresAgree`: for a paid order inventory has taken the stock, a refunded order it has refused,
/// and of a cancelled order it has no record.
pub(super) fn of_stores(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::StoresAgree);
    let stores = evidence.stores;
    let trimmed = evidence.orders_trimmed();
    for (id, order) in &stores.orders {
        let record = stores.records.get(id).and_then(|all| all.first());
        let agrees = match order.status.as_str() {
            "paid" => matches!(record, Some(Record::Applied(_))),
            "refunded" => matches!(record, Some(Record::Refused)),
            // A crash may have lost the payment of the order. A client may then have cancelled the
            // order, and `reconcile` given its stock back.
            "cancelled" if evidence.window_ms > 0 => !matches!(record, Some(Record::Applied(_))),
            "cancelled" => record.is_none(),
            _ => false,
        };
        let excused = !evidence.reconciled
            && order.status == "paid"
            && trimmed.get(id.as_str()) == Some(&true);
        finding.expect(agrees || excused, || {
            format!(
                "order {id} is {}, inventory has recorded {record:?}",
                order.status
            )
        });
    }
    for id in stores.records.keys() {
        let given_back = evidence.window_ms > 0 && !stores.is_applied(id);
        finding.expect(stores.orders.contains_key(id) || given_back, || {
            format!("inventory acted on order {id}, which payments does not know")
        });
    }
    finding
}

/// `EffectsHappenOnce`: each order has one record. An applied order has one sale in the ledger, a
/// refused order has no sale.
pub(super) fn exactly_once(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::EffectsHappenOnce);
    let stores = evidence.stores;
    let mut sales: HashMap<&str, Vec<(&str, i64, &str)>> = HashMap::new();
    let mut released: HashMap<&str, usize> = HashMap::new();
    for (product, about) in &stores.products {
        for movement in &about.movements {
            let Some(order) = movement.order.as_deref() else {
                continue;
            };
            if movement.kind == "sale" {
                let sale = (movement.entry.as_str(), movement.delta, product.as_str());
                sales.entry(order).or_default().push(sale);
            } else {
                *released.entry(order).or_default() += 1;
            }
        }
    }
    for (order, records) in &stores.records {
        finding.expect(records.len() == 1, || {
            format!("order {order} was decided {} times", records.len())
        });
        let sold = sales.get(order.as_str()).map_or(&[][..], Vec::as_slice);
        let back = released.get(order.as_str()).copied().unwrap_or_default();
        let once = match &records[0] {
            Record::Applied(entry) => sold.len() == back + 1 && sold.iter().any(|s| s.0 == entry),
            Record::Refused if evidence.reconciled => sold.len() <= back + 1,
            Record::Refused => sold.is_empty(),
        };
        finding.expect(once, || {
            format!(
                "order {order} is {:?}, took stock {} times, gave back {back} times",
                records[0],
                sold.len()
            )
        });
    }
    for (order, sold) in &sales {
        finding.expect(stores.records.contains_key(*order), || {
            format!("stock was taken for order {order}, and it is not recorded")
        });
        let Some(known) = stores.orders.get(*order) else {
            continue;
        };
        for (entry, delta, product) in sold {
            finding.expect(
                *delta == -known.quantity && *product == known.product,
                || format!("order {order} took {delta} of {product} at {entry}: {known:?}"),
            );
        }
    }
    finding
}

/// `NothingInvented`: a client asked for every order, every event has its order, and every effect
/// has its event.
pub(super) fn nothing_invented(evidence: &Evidence<'_>, placed: &Placed<'_>) -> Finding {
    let mut finding = Finding::new(Rule::NothingInvented);
    let stores = evidence.stores;
    for (id, order) in &stores.orders {
        let asked = placed.request(&order.request);
        let matches = asked.is_some_and(|call| {
            call.product == order.product && i64::try_from(call.quantity) == Ok(order.quantity)
        });
        finding.expect(matches, || {
            format!("no client asked for order {id}: {order:?}")
        });
    }
    let lossy = evidence.window_ms > 0;
    for event in stores.completed.events() {
        let known = stores.orders.get(&event.order).is_some_and(|order| {
            order.was_paid() && order.product == event.product && order.quantity == event.quantity
        });
        finding.expect(known || lossy, || {
            format!("an event without its order: {event:?}")
        });
    }
    for event in stores.refunds.events() {
        let refused = is_refused(evidence, event);
        finding.expect(refused || lossy, || {
            format!("a refund of an order that was not refused: {event:?}")
        });
    }
    let trimmed = evidence.orders_trimmed();
    let told: HashSet<&str> = stores
        .completed
        .entries
        .iter()
        .map(|event| event.order.as_str())
        .collect();
    for order in stores.records.keys() {
        let has_event = told.contains(order.as_str()) || trimmed.contains_key(order.as_str());
        finding.expect(has_event || lossy, || {
            format!("inventory acted on order {order} without an event")
        });
    }
    finding
}

fn is_refused(evidence: &Evidence<'_>, event: &Event) -> bool {
    let records = evidence.stores.records.get(&event.order);
    records.is_some_and(|all| all.contains(&Record::Refused))
}
