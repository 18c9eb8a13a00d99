//! A command that the system sent, as a template for the same command about other orders.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use redis::Cmd;
use shared::base::digest::short_digest;
use shared::contract::id::OrderId;

/// The number of letters of an order id, of the end of the id under which inventory records the
/// order, and of the hash of an idempotency key.
const ID: usize = 36;
const END: usize = 30;
const HASH: usize = 22;

/// The texts in a command that belong to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) hash: String,
}

/// A command, and the positions at which it names its orders.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    packed: Vec<u8>,
    slots: Vec<Slot>,
    orders: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    at: usize,
    order: usize,
    part: Part,
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Id,
    End,
    Hash,
}

impl Order {
    /// An order that was placed with this idempotency key.
    pub(crate) fn placed(id: OrderId, key: &str) -> Self {
        Self {
            id: id.to_string(),
            hash: short_digest(key).0,
        }
    }

    /// A new order that was not placed yet.
    pub(crate) fn fresh() -> Self {
        let id = OrderId::mint();
        Self::placed(id, &id.to_string())
    }
}

impl Template {
    /// Finds these orders in a command.
    pub(crate) fn new(args: &[Vec<u8>], known: &[Order]) -> Result<Self> {
        let mut command = Cmd::new();
        for arg in args {
            command.arg(arg.as_slice());
        }
        let packed = command.get_packed_command();
        let names: HashMap<&[u8], (usize, Part)> = known
            .iter()
            .enumerate()
            .flat_map(|(place, order)| {
                let id = (order.id.as_bytes(), (place, Part::Id));
                let end = (end_of(&order.id), (place, Part::End));
                [id, end, (order.hash.as_bytes(), (place, Part::Hash))]
            })
            .collect();
        let mut places = HashMap::new();
        let mut slots = Vec::new();
        for at in 0..packed.len() {
            let found = [ID, END, HASH]
                .iter()
                .find_map(|length| names.get(packed.get(at..at + length)?));
            if let Some(&(known, part)) = found {
                let next = places.len();
                let order = *places.entry(known).or_insert(next);
                slots.push(Slot { at, order, part });
            }
        }
        ensure!(
            !places.is_empty(),
            "a command of the system names no order as it was expected to"
        );
        Ok(Self {
            packed,
            slots,
            orders: places.len(),
        })
    }

    /// The number of orders in the command.
    pub(crate) fn orders(&self) -> usize {
        self.orders
    }

    /// Appends the command for other orders to `buffer`. Their number must be that of the template.
    pub(crate) fn write(&self, orders: &[Order], buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&self.packed);
        for slot in &self.slots {
            let Some(order) = orders.get(slot.order) else {
                continue;
            };
            let text = match slot.part {
                Part::Id => order.id.as_bytes(),
                Part::End => end_of(&order.id),
                Part::Hash => order.hash.as_bytes(),
            };
            let at = start + slot.at;
            if let Some(place) = buffer.get_mut(at..at + text.len()) {
                place.copy_from_slice(text);
            }
        }
    }
}

fn end_of(id: &str) -> &[u8] {
    id.as_bytes().get(ID - END..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &str) -> Vec<Vec<u8>> {
        words
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn a_command_is_the_same_for_other_orders() {
        let [a, b, c, d] = [
            Order::fresh(),
            Order::fresh(),
            Order::fresh(),
            Order::fresh(),
        ];
        let words = |one: &Order, two: &Order| {
            format!(
                "FCALL f order:{} {} {} {} end",
                one.id, two.id, one.id, two.hash
            )
        };
        let template = Template::new(&args(&words(&a, &b)), &[c.clone(), b, a]).unwrap();
        assert_eq!(template.orders(), 2);
        let mut again = b"before".to_vec();
        template.write(&[c.clone(), d.clone()], &mut again);
        let expected = redis::pack_command(&args(&words(&c, &d)));
        assert_eq!(again, [b"before".to_vec(), expected].concat());
    }

    #[test]
    fn a_command_without_an_order_cannot_stand_for_one() {
        assert!(Template::new(&args("FCALL f 1 2"), &[Order::fresh()]).is_err());
    }
}
