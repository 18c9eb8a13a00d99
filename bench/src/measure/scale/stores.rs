//! Reports the resources that the servers of the stores used.

use stack::number::{float, micros_each};

use crate::figure::Section;
use crate::rig::Usage;

/// Reports the cost of an order in a store: for the whole store, and for each server.
pub(super) fn report_store(store: &str, nodes: &[Usage], orders: u64, section: &mut Section<'_>) {
    let mut part = |what: String, unit, value| section.part(&what, unit, value);
    let each = |node: &Usage| micros_each(node.processor, orders);
    let name = format!("cpu.{store}-redis");
    part(name.clone(), "us/order", nodes.iter().map(each).sum());
    for node in nodes.iter().filter(|_| nodes.len() > 1) {
        let kind = if node.is_primary {
            "primary"
        } else {
            "replica"
        };
        let number = node.name.rsplit(' ').next().unwrap_or_default();
        part(format!("{name}.{kind}-{number}"), "us/order", each(node));
    }
    let primaries = || nodes.iter().filter(|node| node.is_primary);
    let sum = |of: fn(&Usage) -> u64| float(primaries().map(of).sum::<u64>());
    let orders = float(orders);
    for (what, unit, value) in [
        ("network", "B/order", sum(|node| node.network) / orders),
        ("file", "B/order", sum(|node| node.file) / orders),
        ("connections", "", sum(|node| node.connections)),
    ] {
        part(format!("{what}.{store}-redis"), unit, value);
    }
}
