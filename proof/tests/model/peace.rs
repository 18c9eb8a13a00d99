//! After the last fault the system has to come to rest by itself.

use crate::faults::{Fault, Loss};
use crate::payments::Status;
use crate::properties::{broken, disagreement, is_quiet};
use crate::rules::{Rules, Sight};
use crate::store::Side;
use crate::world::World;

/// More ticks than the delay, the idle time before a takeover, and the largest step of a clock
/// back.
const ROUNDS: usize = 40;
/// The most steps of a consumer in one tick.
const STEPS: usize = 100;

/// Ends all faults, and answers the first rule that does not hold afterwards.
pub(crate) fn verdict(mut world: World, rules: &Rules) -> Option<&'static str> {
    if let Some(broken) = heal(&mut world, rules) {
        return Some(broken);
    }
    if !settle(&mut world, rules) {
        return Some("after the last fault, the system comes to rest");
    }
    let found = broken(&world, rules).or_else(|| disagreement(&world));
    match (world.loss, found) {
        (Loss::Nothing, Some(found)) => return Some(found),
        // A replay acts again on everything that one store forgot. Only the stock of orders that
        // are no longer paid is left to `reconcile`.
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

/// The faults end: an emptied store is restored, copies catch up, and clients get their answers.
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

/// Lets time pass until no work is left.
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

/// `reconcile --apply`. payments decides: a paid order without stock is emitted again, and the
/// stock of an order that is not paid goes back.
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
