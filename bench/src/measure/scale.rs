//! The whole choreography on systems of several shapes, beside one store for each service and one
//! process of each role.
//!
//! All of it shares this one machine, so more of anything cannot be faster than its cores. What
//! carries over to more machines is what an order costs: each process, and each node of a store.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Result, ensure};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::ProductId;
use stack::binaries::Binaries;
use stack::role::Role;
use stack::topology::Topology;

use super::{CONNECTIONS, FIRST_ORDERS, PRODUCTS, latency};
use crate::figure::{Bare, Sheet};
use crate::rig::{Rig, Shape, Usage, heard};
use crate::load::{Load, Until};
use crate::number::{float, micros_each, quantile};
use crate::options::Options;
use waits::{sent_orders, since_sent};

mod waits;

/// Orders a second at a light load, and the fewest of them from which anything can be told.
const RATE: u32 = 100;
const FEWEST: u64 = 50;
const LIGHT_CONNECTIONS: usize = 8;
/// The figures that are put beside those of one of each.
const BESIDE: [&str; 8] = [
    "rate",
    "cpu",
    "accepted.p50",
    "accepted.p99",
    "paid.p50",
    "paid.p99",
    "taken.p50",
    "taken.p99",
];
const QUICK: [&str; 4] = ["one", "partitions16", "cluster16", "replica_acks1"];

/// What is measured, the system to compare with first.
const SHAPES: [Shape; 11] = [
    Shape::ONE,
    Shape {
        name: "partitions4",
        partitions: 4,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16",
        partitions: 16,
        ..Shape::ONE
    },
    Shape {
        name: "processes2",
        replicas: 2,
        ..Shape::ONE
    },
    Shape {
        name: "processes3",
        replicas: 3,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16_processes2",
        partitions: 16,
        replicas: 2,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16_processes3",
        partitions: 16,
        replicas: 3,
        ..Shape::ONE
    },
    Shape {
        name: "replica_acks0",
        topology: Topology::Replicated { replicas: 1 },
        ..Shape::ONE
    },
    Shape {
        name: "replica_acks1",
        topology: Topology::Replicated { replicas: 1 },
        acks: 1,
        ..Shape::ONE
    },
    Shape {
        name: "cluster16",
        topology: Topology::CLUSTER,
        partitions: 16,
        ..Shape::ONE
    },
    Shape {
        name: "cluster16_acks1",
        topology: Topology::CLUSTER,
        partitions: 16,
        acks: 1,
        ..Shape::ONE
    },
];

/// Measures every shape on a system of its own.
pub(super) fn measure(
    options: &Options,
    binaries: &Binaries,
    sheet: &mut Sheet,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    let wanted = |shape: &&Shape| !options.quick || QUICK.contains(&shape.name);
    for shape in SHAPES.iter().filter(wanted) {
        tell(&format!("scale: {}", shape.name));
        let mut rig = Rig::open_shape(options, binaries, shape)?;
        sheet.store = rig.payments.operator_mut().program()?;
        let products = rig.products(PRODUCTS)?;
        rig
            .orders(&products, CONNECTIONS, Until::Count(FIRST_ORDERS))?
            .run()?;
        rig.rest()?;
        at_most(&mut rig, shape, options.scale_orders(), sheet, &products)?;
        at_rest(&mut rig, shape, options, sheet)?;
        at_a_light_load(&mut rig, shape, options, sheet, &products)?;
        if shape.name != Shape::ONE.name {
            put_beside_one(shape, sheet);
        }
    }
    Ok(())
}

/// Orders as fast as they are taken, until the last is settled; and what that took of each process.
fn at_most(
    rig: &mut Rig,
    shape: &Shape,
    orders: u64,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    let sold = rig.sold(products)?;
    let load = rig.orders(products, CONNECTIONS, Until::Count(orders))?;
    let before = [rig.inventory.usage()?, rig.payments.usage()?];
    let group = rig.group();
    let mark = group.mark()?;
    let started = Instant::now();
    load.run()?;
    rig.rest()?;
    let seconds = started.elapsed().as_secs_f64();
    let used = group.since(&mark)?;
    let after = [rig.inventory.usage()?, rig.payments.usage()?];
    let sold = rig.sold(products)? - sold;
    ensure!(
        sold == orders,
        "{sold} pieces were taken for {orders} orders of one"
    );

    let name = format!("scale.{}", shape.name);
    sheet.higher(
        format!("{name}.rate"),
        "orders/s",
        float(orders) / seconds,
        used.foreign,
    );
    let services = by_role(&used.members);
    let nodes: Vec<Vec<Usage>> = before
        .iter()
        .zip(&after)
        .map(|(a, b)| between(a, b))
        .collect();
    let of_services: f64 = services.iter().map(|(_, seconds)| seconds).sum();
    let of_stores: f64 = nodes.iter().flatten().map(|node| node.processor).sum();
    let total = micros_each(of_services + of_stores, orders);
    sheet.lower(format!("{name}.cpu"), "us/order", total, used.foreign);
    for (role, seconds) in services {
        let name = format!("{name}.cpu.{}", role.name().replace(' ', "-"));
        sheet.part(name, "us/order", micros_each(seconds, orders), used.foreign);
    }
    for (store, nodes) in [rig.inventory.name(), rig.payments.name()]
        .into_iter()
        .zip(nodes)
    {
        report_store(&name, store, &nodes, orders, used.foreign, sheet);
    }
    Ok(())
}

fn report_store(
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

/// What looking for work takes while there is none. It hardly grows with the orders.
fn at_rest(rig: &mut Rig, shape: &Shape, options: &Options, sheet: &mut Sheet) -> Result<()> {
    let group = rig.group();
    let before = [rig.inventory.usage()?, rig.payments.usage()?];
    let mark = group.mark()?;
    sleep(options.scale_time());
    let used = group.since(&mark)?;
    let after = [rig.inventory.usage()?, rig.payments.usage()?];
    let services: f64 = by_role(&used.members)
        .iter()
        .map(|(_, seconds)| seconds)
        .sum();
    let nodes = before
        .iter()
        .zip(&after)
        .flat_map(|(before, after)| between(before, after));
    let stores: f64 = nodes.map(|node| node.processor).sum();
    for (what, seconds) in [("services", services), ("stores", stores)] {
        let name = format!("scale.{}.idle.{what}", shape.name);
        sheet.part(
            name,
            "% of a core",
            seconds / used.wall * 100.0,
            used.foreign,
        );
    }
    Ok(())
}

/// Orders at a fixed rate that leaves everything idle, followed through both stores.
fn at_a_light_load(
    rig: &mut Rig,
    shape: &Shape,
    options: &Options,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    let orders = (options.scale_time() * RATE).as_secs().max(FEWEST);
    let load = rig.orders(products, LIGHT_CONNECTIONS, Until::Count(orders))?;
    let load = Load {
        rate: Some(RATE),
        keep: true,
        ..load
    };
    let group = rig.group();
    let (inventory, payments) = (rig.inventory.listen()?, rig.payments.listen()?);
    let mark = group.mark()?;
    let outcome = load.run()?;
    rig.rest()?;
    let foreign = group.since(&mark)?.foreign;
    let (inventory, payments) = (heard(inventory)?, heard(payments)?);
    let sent = sent_orders(&outcome.kept)?;
    let paid = since_sent(
        &sent,
        &latency::first_adds(&payments, OrderCompleted::STREAM),
    );
    let taken = since_sent(&sent, &latency::first_adds(&inventory, latency::MOVEMENTS));
    let followed = paid.len().min(taken.len());
    ensure!(
        followed == sent.len(),
        "{followed} of {} orders were seen",
        sent.len()
    );
    let name = format!("scale.{}", shape.name);
    for (suffix, percent) in [("p50", 50_u8), ("p99", 99)] {
        let accepted = outcome.micros(f64::from(percent));
        let mut tell = |step: &str, micros| {
            sheet.lower(format!("{name}.{step}.{suffix}"), "us", micros, foreign);
        };
        tell("accepted", accepted);
        for (step, waits) in [("paid", &paid), ("taken", &taken)] {
            if let Some(micros) = quantile(waits, usize::from(percent)) {
                tell(step, micros);
            }
        }
    }
    Ok(())
}

fn put_beside_one(shape: &Shape, sheet: &mut Sheet) {
    for figure in BESIDE {
        if let Some(one) = sheet.value(&format!("scale.{}.{figure}", Shape::ONE.name)) {
            sheet.limit(&format!("scale.{}.{figure}", shape.name), Bare::One, one);
        }
    }
}

/// Seconds of all processes of each role, in the order of the roles.
fn by_role(members: &BTreeMap<String, f64>) -> Vec<(Role, f64)> {
    let of = |role: Role| {
        let is_one = |name: &str| name.strip_prefix(role.name()).is_some_and(is_number);
        let seconds = members
            .iter()
            .filter(|(name, _)| is_one(name))
            .map(|(_, seconds)| seconds);
        (role, seconds.sum())
    };
    Role::ALL.map(of).into()
}

/// What stands behind the name of a role: nothing, or the number of a process.
fn is_number(rest: &str) -> bool {
    rest.is_empty()
        || rest
            .strip_prefix(' ')
            .is_some_and(|number| number.parse::<u16>().is_ok())
}

fn between(before: &[Usage], after: &[Usage]) -> Vec<Usage> {
    before
        .iter()
        .zip(after)
        .map(|(before, after)| after.since(before))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_a_role_count_together_and_nodes_of_stores_not() {
        let members = [
            ("payments serve", 1.0),
            ("payments serve 2", 2.0),
            ("inventory consume", 4.0),
            ("payments redis 0", 8.0),
        ];
        let members = members
            .map(|(name, seconds)| (name.to_owned(), seconds))
            .into();
        let of = |wanted| {
            let all = by_role(&members);
            all.into_iter().find(|(role, _)| *role == wanted).unwrap().1
        };
        assert!((of(Role::PaymentsServe) - 3.0).abs() < 1e-9);
        assert!((of(Role::InventoryConsume) - 4.0).abs() < 1e-9);
        assert!(of(Role::PaymentsConsume).abs() < 1e-9);
    }

    #[test]
    fn every_shape_is_put_beside_one_of_each() {
        assert_eq!(SHAPES[0].name, Shape::ONE.name);
        assert!(
            QUICK
                .iter()
                .all(|name| SHAPES.iter().any(|shape| shape.name == *name))
        );
        let mut sheet = Sheet::default();
        sheet.higher("scale.one.rate".to_owned(), "orders/s", 200.0, 0.0);
        sheet.higher("scale.partitions4.rate".to_owned(), "orders/s", 100.0, 0.0);
        put_beside_one(&SHAPES[1], &mut sheet);
        let rows = crate::figure::rows(&[sheet]);
        assert!((rows[1].limits[0].ratio - 0.5).abs() < 1e-9);
        assert_eq!(rows[0].limits, []);
    }

    #[test]
    fn a_store_of_several_nodes_is_told_as_a_whole_and_node_by_node() {
        let node = |name: &str, is_primary, processor| Usage {
            name: name.to_owned(),
            is_primary,
            processor,
            network: 500,
            ..Usage::default()
        };
        let nodes = [
            node("payments redis 0", true, 0.1),
            node("payments redis 1", false, 0.3),
        ];
        let mut sheet = Sheet::default();
        report_store("scale.x", "payments", &nodes, 1_000, 0.0, &mut sheet);
        let value = |name: &str| sheet.value(&format!("scale.x.{name}")).unwrap();
        assert!((value("cpu.payments-redis") - 400.0).abs() < 1e-6);
        assert!((value("cpu.payments-redis.primary-0") - 100.0).abs() < 1e-6);
        assert!((value("cpu.payments-redis.replica-1") - 300.0).abs() < 1e-6);
        assert!(
            (value("network.payments-redis") - 0.5).abs() < 1e-9,
            "of the primaries"
        );
    }
}
