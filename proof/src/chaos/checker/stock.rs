//! `StockFollowsLedger` and `StockRecounts`: whether the stock of every product is right.

use std::collections::HashMap;

use super::stores::Product;
use super::{Evidence, Finding, Rule};

/// `StockFollowsLedger`: adds what `watch` found during the run, and follows every ledger from its
/// first movement to the final stock.
pub(super) fn ledgers(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::StockFollowsLedger);
    finding.facts += usize::try_from(evidence.watch.stocks).unwrap_or(usize::MAX);
    for violation in &evidence.watch.violations {
        finding.blame(violation.clone());
    }
    for (id, product) in &evidence.stores.products {
        let mut balance = 0;
        for movement in &product.movements {
            balance += movement.delta;
            finding.expect(movement.balance == balance && balance >= 0, || {
                format!(
                    "product {id}: balance {} and not {balance} at {}",
                    movement.balance, movement.entry
                )
            });
        }
        finding.expect(agrees(product, balance), || {
            format!(
                "product {id}: stock {:?}, its ledger says {balance}",
                product.stock
            )
        });
    }
    finding
}

fn agrees(product: &Product, balance: i64) -> bool {
    match product.stock {
        Some(stock) => stock == balance && !product.deleted,
        None => product.deleted && balance == 0,
    }
}

/// `StockRecounts`: recounts the stock from the records of orders in inventory and the quantities
/// of the orders in payments.
pub(super) fn recount(evidence: &Evidence<'_>) -> Finding {
    let mut finding = Finding::new(Rule::StockRecounts);
    let stores = evidence.stores;
    let mut taken: HashMap<&str, i64> = HashMap::new();
    for (id, order) in &stores.orders {
        if stores.is_applied(id) {
            *taken.entry(order.product.as_str()).or_default() += order.quantity;
        }
    }
    for (id, product) in &stores.products {
        let other = |kind: &str| !matches!(kind, "sale" | "release");
        let by_hand = product
            .movements
            .iter()
            .filter(|movement| other(&movement.kind));
        let brought: i64 = by_hand.map(|movement| movement.delta).sum();
        // A deleted product takes no stock back.
        let sold = taken.get(id.as_str()).copied().unwrap_or_default();
        let expected = brought - sold;
        let stock = product.stock.unwrap_or_default();
        let returned_to_nobody = product.deleted && expected > stock && evidence.reconciled;
        finding.expect(stock == expected || returned_to_nobody, || {
            format!("product {id}: stock {stock}, by its orders {expected}")
        });
        if brought == 1 && evidence.window_ms == 0 && evidence.declared.trimmed.is_empty() {
            last_piece(evidence, id, sold, &mut finding);
        }
    }
    finding
}

/// Many buyers pay for the last piece of a product, and exactly one of them keeps it.
fn last_piece(evidence: &Evidence<'_>, id: &str, sold: i64, finding: &mut Finding) {
    let orders = evidence.stores.orders.values();
    let buyers = orders
        .filter(|order| order.product == id && order.was_paid())
        .count();
    finding.expect(sold == i64::from(buyers > 0), || {
        format!("{buyers} paid for the only piece of product {id}, {sold} were taken")
    });
}
