//! Records the commands that the system sends to its stores for an order.
//!
//! So the limit is measured with exactly the functions and arguments that the services of this
//! revision use.

use anyhow::{Context, Result};
use shared::contract::event::{Event, OrderCompleted};
use stack::load::{CONNECTIONS, Load, Until};

use super::template::{Order, Template};
use crate::catalogue::{PRODUCTS, order_id};
use crate::monitor::Told;
use crate::rig::{Rig, heard};

/// The number of orders in the sample: several times as many as one call takes.
const ORDERS: u64 = 2_000;
const CONSUMER: &str = "inventory consume";

/// The commands for one order, and for many orders at once.
pub(crate) struct Capture {
    pub(crate) place_one: Template,
    pub(crate) place_many: Template,
    /// This call does not name orders: it pays all that are due.
    pub(crate) complete: Vec<Vec<u8>>,
    /// The read, without `BLOCK`.
    pub(crate) read: Vec<Vec<u8>>,
    /// The acknowledgement, without the ids of the entries.
    pub(crate) acknowledge: Vec<Vec<u8>>,
    pub(crate) apply_one: Template,
    pub(crate) apply_many: Template,
}

impl Capture {
    /// Lets the system handle one order alone and then many together, and records the commands.
    pub(crate) fn take(rig: &mut Rig) -> Result<Self> {
        let mut known = Vec::new();
        let mut place = |rig: &mut Rig, count| -> Result<()> {
            let load = rig.orders(CONNECTIONS, Until::Count(count))?;
            let load = Load { keep: true, ..load };
            for (number, answer) in &load.run()?.kept {
                let place = usize::try_from(*number)? % load.requests.len();
                let key = load.requests[place]
                    .key(*number)
                    .context("a request without a key")?;
                known.push(Order::placed(order_id(answer)?, &key));
            }
            Ok(())
        };
        // These orders come first, because the system does some things only once.
        place(rig, PRODUCTS)?;
        rig.rest()?;
        let listeners = rig.listen()?;
        place(rig, 1)?;
        rig.rest()?;
        let consumer = rig.system.process(CONSUMER);
        consumer.pause();
        let placed = place(rig, ORDERS);
        consumer.resume();
        placed?;
        rig.rest()?;
        let [inventory, payments] = heard(listeners)?;
        Self::find(&inventory, &payments, &known)
    }

    fn find(inventory: &[Told], payments: &[Told], known: &[Order]) -> Result<Self> {
        let of = |told, function| -> Result<Vec<Template>> {
            calls(told, function)
                .map(|told| Template::new(&told.args, known))
                .collect()
        };
        let (placed, applied) = (
            of(payments, "place_orders")?,
            of(inventory, "apply_orders")?,
        );
        let complete = calls(payments, "complete_due")
            .last()
            .context("no order was paid")?;
        let read =
            about(payments, "XREADGROUP").rfind(|told| told.args.ends_with(&[b">".to_vec()]));
        let acknowledge = about(payments, "XACK")
            .next_back()
            .context("nothing was acknowledged")?;
        Ok(Self {
            place_one: least(&placed).context("no order was placed")?.clone(),
            place_many: most(&placed).context("no order was placed")?.clone(),
            complete: complete.args.clone(),
            read: without_block(&read.context("nothing was read")?.args),
            acknowledge: acknowledge.args.iter().take(3).cloned().collect(),
            apply_one: least(&applied).context("no stock was taken")?.clone(),
            apply_many: most(&applied).context("no stock was taken")?.clone(),
        })
    }
}

/// The calls of a function, of any build.
fn calls<'a>(told: &'a [Told], function: &'a str) -> impl Iterator<Item = &'a Told> {
    told.iter().filter(move |told| {
        !told.by_function && told.name() == "FCALL" && told.text(1).starts_with(function)
    })
}

/// The commands of this name on the stream of paid orders.
fn about<'a>(told: &'a [Told], name: &'a str) -> impl DoubleEndedIterator<Item = &'a Told> {
    told.iter().filter(move |told| {
        let stream = OrderCompleted::STREAM.as_bytes();
        told.name() == name && told.args.iter().any(|arg| arg.starts_with(stream))
    })
}

fn least(templates: &[Template]) -> Option<&Template> {
    templates.iter().min_by_key(|template| template.orders())
}

fn most(templates: &[Template]) -> Option<&Template> {
    templates.iter().max_by_key(|template| template.orders())
}

fn without_block(args: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut args = args.to_vec();
    if let Some(at) = args
        .iter()
        .position(|arg| arg.eq_ignore_ascii_case(b"BLOCK"))
    {
        args.drain(at..(at + 2).min(args.len()));
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_that_does_not_wait_is_the_same_otherwise() {
        let words = |text: &str| -> Vec<Vec<u8>> {
            text.split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect()
        };
        let read = words("XREADGROUP GROUP g c COUNT 100 BLOCK 2000 STREAMS s >");
        assert_eq!(
            without_block(&read),
            words("XREADGROUP GROUP g c COUNT 100 STREAMS s >")
        );
    }
}
