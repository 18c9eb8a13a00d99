//! Reports the resources that the servers of the stores used.

use crate::figure::Sheet;
use crate::number::{float, micros_each};
use crate::rig::Usage;

/// Adds the cost of an order in a store to the sheet: for the whole store, and for each server.
pub(super) fn report_store(
    shape: &str,
    store: &str,
    nodes: &[Usage],
    orders: u64,
    foreign: f64,
    sheet: &mut Sheet,
) {
    let mut part = |what: &str, unit, value| {
        sheet.part(format!("{shape}.{what}"), unit, value, foreign);
    };
    let each = |node: &Usage| micros_each(node.processor, orders);
    part(
        &format!("cpu.{store}-redis"),
        "us/order",
        nodes.iter().map(each).sum(),
    );
    if nodes.len() > 1 {
        for node in nodes {
            let kind = if node.is_primary {
                "primary"
            } else {
                "replica"
            };
            let number = node.name.rsplit(' ').next().unwrap_or_default();
            part(
                &format!("cpu.{store}-redis.{kind}-{number}"),
                "us/order",
                each(node),
            );
        }
    }
    let primaries = || nodes.iter().filter(|node| node.is_primary);
    let sum = |of: fn(&Usage) -> u64| float(primaries().map(of).sum::<u64>());
    part(
        &format!("network.{store}-redis"),
        "B/order",
        sum(|node| node.network) / float(orders),
    );
    part(
        &format!("file.{store}-redis"),
        "B/order",
        sum(|node| node.file) / float(orders),
    );
    part(
        &format!("connections.{store}-redis"),
        "",
        sum(|node| node.connections),
    );
}

/// The resources that each server used between two moments.
pub(super) fn between(before: &[Usage], after: &[Usage]) -> Vec<Usage> {
    before
        .iter()
        .zip(after)
        .map(|(before, after)| after.since(before))
        .collect()
}
