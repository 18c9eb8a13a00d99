//! After the last fault: everybody is left in peace, and the system has to come to rest by itself.

use crate::faults::{Fault, Loss};
use crate::payments::Status;
use crate::properties::{broken, disagreement, is_quiet};
use crate::rules::{Rules, Sight};
use crate::store::Side;
use crate::world::World;

/// More ticks than the delay, the idle time of a takeover and the largest step of a clock back.
const ROUNDS: usize = 40;
/// Steps that a consumer takes in one tick at most.
const STEPS: usize = 100;

/// Leaves a world in peace and answers what is wrong with how it ends, if anything is.
pub(crate) fn verdict(mut world: World, rules: &Rules) -> Option<&'static str> {
    if let Some(broken) = heal(&mut world, rules) {
        return Some(broken);
    }
    if !settle(&mut world, rules) {
        return Some("left in peace, the system comes to rest");
    }
    let found = broken(&world, rules).or_else(|| disagreement(&world));
    match (world.loss, found) {
        (Loss::Nothing, Some(found)) => return Some(found),
        // What one store forgot, the replay does again. Only stock of orders that are not paid any
        // more is left to `reconcile`.
        (Loss::Tail, Some(found)) if found != SPARE => return Some(found),
        _ => {}
    }
    let mut repaired = 0;
    while found.is_some() && repair(&mut world, rules) {
        repaired += 1;
        if repaired > ROUNDS || !settle(&mut world, rules) {
            return Some("after a repair, the system comes to rest");
        }
    }
    broken(&world, rules).or_else(|| disagreement(&world))
}

const SPARE: &str = "stock was taken for an order that is not paid";

/// The faults end: whatever was emptied is restored, copies catch up, clients get their answers.
fn heal(world: &mut World, rules: &Rules) -> Option<&'static str> {
    for side in [Side::Payments, Side::Inventory] {
        world.suffer(Fault::Restore(side), rules);
        world.suffer(Fault::CatchUp(side), rules);
    }
    for client in 0..world.clients.len() {
        while world.write(client, rules) {}
        if world.clients[client].asked && world.clients[client].acknowledged.is_none() {
            world.post(client, true, rules);
            while world.write(client, rules) {}
        }
    }
    broken(world, rules)
}

/// Lets time pass until nobody has anything left to do.
fn settle(world: &mut World, rules: &Rules) -> bool {
    for _ in 0..ROUNDS {
        while world.complete(rules) {}
        for consumer in 0..world.consumers.len() {
            let mut steps = 0;
            while steps < STEPS
                && (world.look(consumer, rules)
                    || world.advance(consumer, rules)
                    || world.step(consumer, rules)
                    || world.claim(consumer, rules))
            {
                steps += 1;
            }
        }
        if is_quiet(world) {
            return true;
        }
        world.accept_loss(rules);
        world.tick(rules);
    }
    false
}

/// `reconcile --apply`. What payments says is what counts: a paid order without its stock is told
/// of once more, and stock of an order that is not paid goes back.
fn repair(world: &mut World, rules: &Rules) -> bool {
    let (now, inventory_now) = (world.payments.clock, world.inventory.clock);
    let (payments, inventory) = (&mut world.payments.memory, &mut world.inventory.memory);
    let paid = |order| payments.status(order) == Some(Status::Paid);
    let silent: Vec<_> = payments
        .ids()
        .map(|(id, _)| id)
        .filter(|id| paid(*id))
        .collect();
    let spare: Vec<_> = inventory.sales.iter().map(|sale| sale.order).collect();
    let spare: Vec<_> = spare.into_iter().filter(|order| !paid(*order)).collect();
    let silent = silent.into_iter().filter(|id| inventory.taken(*id) == 0);
    let silent: Vec<_> = silent.collect();
    for order in &silent {
        payments.emit(*order, now, rules.planted);
    }
    for order in &spare {
        inventory.release(*order, inventory_now);
    }
    let repaired = silent.len() + spare.len() > 0;
    if repaired {
        rules.seen.count(Sight::Repair);
    }
    repaired
}
