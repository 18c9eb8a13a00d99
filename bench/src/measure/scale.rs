//! Measures the whole choreography on systems of several shapes, beside a system with one server
//! for each store and one process of each role.
//!
//! All processes share this machine, so a larger system cannot be faster than its cores. The cost
//! of an order in each process and in each node of a store also holds on several machines.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Instant;

use anyhow::{Result, ensure};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::ProductId;
use stack::binaries::Binaries;
use stack::role::Role;

use super::FIRST_ORDERS;
use crate::figure::{Bare, Sheet};
use crate::load::{CONNECTIONS, Load, PRODUCTS, Until};
use crate::number::{float, micros_each, quantile};
use crate::options::Options;
use crate::paid_to_taken::{MOVEMENTS, first_adds};
use crate::rig::{Rig, Shape, Usage, heard};
use shapes::{QUICK, SHAPES};
use stores::{between, report_store};
use waits::{sent_orders, since_sent};

mod shapes;
mod stores;
mod waits;

/// The rate of a light load in orders a second, and the smallest number of orders that means
/// anything.
const RATE: u32 = 100;
const FEWEST: u64 = 50;
const LIGHT_CONNECTIONS: usize = 8;
/// The figures of a shape that are compared with those of [`Shape::ONE`].
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
        rig.orders(&products, CONNECTIONS, Until::Count(FIRST_ORDERS))?
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

/// Places orders as fast as they are accepted, waits until the last is settled, and measures what
/// each process used.
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

/// Measures what the idle system uses to look for work. This hardly grows with the orders.
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

/// Places orders at a low fixed rate, and follows them through both stores.
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
    let paid = since_sent(&sent, &first_adds(&payments, OrderCompleted::STREAM));
    let taken = since_sent(&sent, &first_adds(&inventory, MOVEMENTS));
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

/// The processor time of all processes of each role in seconds, in the order of the roles.
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

/// Whether the text behind the name of a role is empty or the number of a process.
fn is_number(rest: &str) -> bool {
    rest.is_empty()
        || rest
            .strip_prefix(' ')
            .is_some_and(|number| number.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests;
