//! Measures the whole choreography on systems of several shapes, beside a system with one server
//! for each store and one process of each role.
//!
//! All processes share this machine, so a larger system cannot be faster than its cores. The cost
//! of an order in each process and in each node of a store also holds on several machines.

use std::collections::BTreeMap;
use std::thread::sleep;

use anyhow::{Result, ensure};
use shared::contract::event::{Event, OrderCompleted};
use stack::binaries::Binaries;
use stack::role::Role;

use super::FIRST_ORDERS;
use crate::figure::{Bare, Sheet};
use crate::options::Options;
use crate::paid_to_taken::{MOVEMENTS, first_adds};
use crate::rig::{Rig, Shape, heard};
use shapes::{QUICK, SHAPES};
use stack::load::{CONNECTIONS, Load, Until};
use stack::number::{float, micros_each, quantile};
use stores::report_store;
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
        rig.orders(CONNECTIONS, Until::Count(FIRST_ORDERS))?.run()?;
        rig.rest()?;
        let name = format!("scale.{}", shape.name);
        at_most(&mut rig, &name, sheet)?;
        at_rest(&mut rig, &name, sheet)?;
        at_a_light_load(&mut rig, &name, sheet)?;
        if shape.name != Shape::ONE.name {
            put_beside_one(shape, sheet);
        }
    }
    Ok(())
}

/// Places orders as fast as they are accepted, waits until the last is settled, and measures what
/// each process used.
fn at_most(rig: &mut Rig, name: &str, sheet: &mut Sheet) -> Result<()> {
    let orders = rig.options.scale_orders();
    let (run, nodes) = rig.selling(orders, |rig| {
        let before = rig.usage()?;
        let run = rig.play(orders)?;
        Ok((run, rig.usage_since(&before)?))
    })?;
    let mut section = sheet.section(name, run.used.foreign);
    section.higher("rate", "orders/s", float(orders) / run.seconds);
    let services = by_role(&run.used.members);
    let of_services: f64 = services.iter().map(|(_, seconds)| seconds).sum();
    let of_stores: f64 = nodes.iter().flatten().map(|node| node.processor).sum();
    let each = |seconds| micros_each(seconds, orders);
    section.lower("cpu", "us/order", each(of_services + of_stores));
    for (role, seconds) in services {
        let name = format!("cpu.{}", role.name().replace(' ', "-"));
        section.part(&name, "us/order", each(seconds));
    }
    let stores = [rig.inventory.name(), rig.payments.name()];
    for (store, nodes) in stores.into_iter().zip(nodes) {
        report_store(store, &nodes, orders, &mut section);
    }
    Ok(())
}

/// Measures what the idle system uses to look for work. This hardly grows with the orders.
fn at_rest(rig: &mut Rig, name: &str, sheet: &mut Sheet) -> Result<()> {
    let group = rig.group();
    let before = rig.usage()?;
    let ((), used) = group.measure(|| {
        sleep(rig.options.scale_time());
        Ok(())
    })?;
    let nodes = rig.usage_since(&before)?;
    let services = by_role(&used.members);
    let services: f64 = services.iter().map(|(_, seconds)| seconds).sum();
    let stores: f64 = nodes.iter().flatten().map(|node| node.processor).sum();
    let mut section = sheet.section(name, used.foreign);
    for (what, seconds) in [("idle.services", services), ("idle.stores", stores)] {
        section.part(what, "% of a core", seconds / used.wall * 100.0);
    }
    Ok(())
}

/// Places orders at a low fixed rate, and follows them through both stores.
fn at_a_light_load(rig: &mut Rig, name: &str, sheet: &mut Sheet) -> Result<()> {
    let orders = (rig.options.scale_time() * RATE).as_secs().max(FEWEST);
    let load = Load {
        rate: Some(RATE),
        keep: true,
        ..rig.orders(LIGHT_CONNECTIONS, Until::Count(orders))?
    };
    let group = rig.group();
    let listeners = rig.listen()?;
    let (outcome, used) = group.measure(|| {
        let outcome = load.run()?;
        rig.rest()?;
        Ok(outcome)
    })?;
    let [inventory, payments] = heard(listeners)?;
    let sent = sent_orders(&outcome.kept)?;
    let paid = since_sent(&sent, &first_adds(&payments, OrderCompleted::STREAM));
    let taken = since_sent(&sent, &first_adds(&inventory, MOVEMENTS));
    let followed = paid.len().min(taken.len());
    ensure!(
        followed == sent.len(),
        "{followed} of {} orders were seen",
        sent.len()
    );
    let mut section = sheet.section(name, used.foreign);
    for (suffix, percent) in [("p50", 50_u8), ("p99", 99)] {
        let accepted = outcome.micros(f64::from(percent));
        section.lower(&format!("accepted.{suffix}"), "us", accepted);
        for (step, waits) in [("paid", &paid), ("taken", &taken)] {
            if let Some(micros) = quantile(waits, usize::from(percent)) {
                section.lower(&format!("{step}.{suffix}"), "us", micros);
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
