//! The times from paying an order to taking its stock, from the recorded commands of both stores.

use std::collections::HashMap;

use shared::contract::event::{Event, OrderCompleted};
use stack::number::float;

use crate::monitor::Told;

/// The beginning of the key of a ledger, to which a movement of stock is written. The product id
/// follows.
pub(crate) const MOVEMENTS: &str = "movements";
const ID: &str = "order_id";
const SALE: &str = "sale";

/// The times from the event of each order to the movement of its stock, in microseconds, sorted. If
/// an event was repeated, the first one counts.
pub(crate) fn from_paid_to_taken([inventory, payments]: &[Vec<Told>; 2]) -> Vec<f64> {
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

/// The time of the first entry of each order in the streams whose keys begin with `stream`, in
/// microseconds since the epoch.
pub(crate) fn first_adds<'a>(told: &'a [Told], stream: &str) -> HashMap<&'a [u8], u64> {
    let mut adds = HashMap::new();
    for told in told.iter().filter(|told| told.adds_to(stream)) {
        if let Some(order) = order_of(told) {
            let at: &mut u64 = adds.entry(order).or_insert(told.at);
            *at = told.at.min(*at);
        }
    }
    adds
}

/// The order id of an entry. An event has it in a field of its own, a sale as its last word.
fn order_of(told: &Told) -> Option<&[u8]> {
    let field = |name: &str| {
        let place = told.args.iter().position(|arg| arg == name.as_bytes())?;
        told.args.get(place + 1).map(Vec::as_slice)
    };
    field(ID).or_else(|| field(SALE)?.rsplit(|letter| *letter == b' ').next())
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
        let payments = vec![
            told(100, "XADD|order_completed|*|order_id|a"),
            told(200, "XADD|order_completed|*|order_id|b"),
            told(201, "XADD|changes|*|ids|b"),
        ];
        let inventory = vec![
            told(900, "XADD|movements:1|MINID|~|5|*|sale|-1 4 b"),
            told(130, "XADD|movements:2|*|sale|-1 9 a"),
            told(999, "XADD|movements:2|*|sale|-1 8 unknown"),
        ];
        assert_eq!(from_paid_to_taken(&[inventory, payments]), [30.0, 700.0]);
    }
}
