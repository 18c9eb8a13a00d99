//! From a paid order to its stock, at a light load.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::ProductId;

use crate::catalogue::order_id;
use crate::figure::Sheet;
use crate::load::{Load, Until};
use crate::monitor::{Monitor, Told};
use crate::number::{float, per_second, quantile};
use crate::options::Options;
use crate::rig::Rig;

/// Orders a second.
const RATE: u32 = 100;
const CONNECTIONS: usize = 8;
/// The stream that a movement of stock is written to; an id follows.
pub(super) const MOVEMENTS: &str = "movements";
const ID: &str = "order_id";
const SALE: &str = "sale";

/// Orders at a light load, and listens to both stores: their clocks are that of this machine.
pub(super) fn measure(
    rig: &mut Rig,
    options: &Options,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    rig.rest()?;
    let orders = (options.idle_time().as_secs_f64() * f64::from(RATE)).max(50.0);
    let load = rig.orders(products, CONNECTIONS, Until::Count(1))?;
    let load = Load {
        until: Until::Count(whole(orders)),
        rate: Some(RATE),
        keep: true,
        ..load
    };
    let inventory = Monitor::begin(rig.inventory.operator().url())?;
    let payments = Monitor::begin(rig.payments.operator().url())?;
    let group = rig.group();
    let mark = group.mark()?;
    let outcome = load.run()?;
    rig.rest()?;
    let used = group.since(&mark)?;
    let waits = from_paid_to_taken(&payments.end()?, &inventory.end()?);
    let placed: Result<Vec<_>> = outcome.kept.iter().map(|(_, it)| order_id(it)).collect();
    let placed = placed?.len();
    ensure!(
        waits.len() >= placed,
        "{} of {placed} orders were seen",
        waits.len()
    );
    for (name, percent) in [("event.p50", 50), ("event.p99", 99)] {
        if let Some(micros) = quantile(&waits, percent) {
            sheet.lower(name.to_owned(), "us", micros, used.foreign);
        }
    }
    let rate = per_second(outcome.answers, outcome.took);
    sheet.higher("event.rate".to_owned(), "orders/s", rate, used.foreign);
    Ok(())
}

/// From the event about each order to the movement of its stock, in microseconds, sorted. Of events
/// that were repeated the first counts, and of movements the only one.
pub(crate) fn from_paid_to_taken(payments: &[Told], inventory: &[Told]) -> Vec<f64> {
    let paid = first_adds(payments, OrderCompleted::STREAM);
    let taken = inventory.iter().filter(|told| told.adds_to(MOVEMENTS));
    let waits = taken.filter_map(|told| {
        let paid = paid.get(order_of(told)?)?;
        Some(float(told.at.saturating_sub(*paid)))
    });
    let mut waits: Vec<f64> = waits.collect();
    waits.sort_by(f64::total_cmp);
    waits
}

/// When each order was first told to streams whose key begins so, in microseconds since the epoch.
pub(super) fn first_adds<'a>(told: &'a [Told], stream: &str) -> HashMap<&'a [u8], u64> {
    let mut adds = HashMap::new();
    for told in told.iter().filter(|told| told.adds_to(stream)) {
        if let Some(order) = order_of(told) {
            let at: &mut u64 = adds.entry(order).or_insert(told.at);
            *at = told.at.min(*at);
        }
    }
    adds
}

/// The order that an event has in a field of its own, and a sale as its last word.
fn order_of(told: &Told) -> Option<&[u8]> {
    let field = |name: &str| {
        let place = told.args.iter().position(|arg| arg == name.as_bytes())?;
        told.args.get(place + 1).map(Vec::as_slice)
    };
    field(ID).or_else(|| field(SALE)?.rsplit(|letter| *letter == b' ').next())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number of orders, and at least 50"
)]
fn whole(orders: f64) -> u64 {
    orders as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(at: u64, words: &str) -> Told {
        let args = words
            .split('|')
            .map(|word| word.as_bytes().to_vec())
            .collect();
        Told {
            at,
            by_function: true,
            args,
        }
    }

    #[test]
    fn a_wait_is_between_the_event_and_the_movement_of_the_same_order() {
        let payments = [
            told(100, "XADD|order_completed|*|order_id|a"),
            told(200, "XADD|order_completed|*|order_id|b"),
            told(201, "XADD|changes|*|ids|b"),
        ];
        let inventory = [
            told(900, "XADD|movements:1|MINID|~|5|*|sale|-1 4 b"),
            told(130, "XADD|movements:2|*|sale|-1 9 a"),
            told(999, "XADD|movements:2|*|sale|-1 8 unknown"),
        ];
        assert_eq!(from_paid_to_taken(&payments, &inventory), [30.0, 700.0]);
    }
}
