//! Measures how fast a consumer drains a pile of events after it was down.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::Money;
use shared::contract::trace::{RequestId, TraceParent};
use stack::number::{micros_each, per_second};

use crate::figure::Sheet;
use crate::machine::memory;
use crate::operator::Operator;
use crate::rig::{LOOK, Rig};

const CONSUMER: &str = "inventory consume";
/// The longest time for a pile.
const LIMIT: Duration = Duration::from_mins(5);

/// Writes a pile of events as payments would, starts the consumer, and measures it.
pub(super) fn measure(rig: &mut Rig, sheet: &mut Sheet, pile: u64) -> Result<()> {
    let consumer = rig.system.process(CONSUMER);
    let idle = memory(consumer.pid()).unwrap_or_default();
    consumer.kill();
    pile_up(rig.payments.operator_mut(), &rig.products, pile)?;
    let waiting = lag(rig)?;
    let (took, most, used) = rig.selling(pile, |rig| {
        consumer.restart()?;
        let (mut first, mut most) = (None, 0.0_f64);
        let ((), used) = rig.group().measure(|| {
            let started = Instant::now();
            loop {
                let now = lag(rig)?;
                most = most.max(memory(consumer.pid()).unwrap_or_default());
                if now.delivered != waiting.delivered {
                    first.get_or_insert_with(Instant::now);
                }
                if now.is_settled() {
                    return Ok(());
                }
                ensure!(started.elapsed() < LIMIT, "{now:?} after {LIMIT:?}");
                sleep(LOOK);
            }
        })?;
        let took = first.context("nothing was delivered")?.elapsed();
        Ok((took, most, used))
    })?;
    let mut drain = sheet.section(&format!("drain.{pile}"), used.foreign);
    drain.higher("rate", "events/s", per_second(pile, took));
    drain.lower("cpu", "us/event", micros_each(used.total(), pile));
    drain.lower("rss_growth", "MiB", (most - idle).max(0.0));
    rig.restart(CONSUMER)
}

fn lag(rig: &mut Rig) -> Result<crate::operator::GroupLag> {
    rig.payments
        .operator_mut()
        .lag::<OrderCompleted>()?
        .context("the group is gone")
}

/// Adds events without orders in payments. inventory does not look for the orders, and has stock
/// for all of them.
pub(crate) fn pile_up(payments: &mut Operator, products: &[ProductId], pile: u64) -> Result<()> {
    let cents = Money::from_minor;
    let events = (0..pile).zip(products.iter().cycle()).map(|(_, product)| {
        let order_id = OrderId::mint();
        let time = order_id
            .minted_at()
            .unwrap_or(shared::contract::time::Timestamp::EXAMPLE);
        OrderCompleted {
            order_id,
            ordered_at: time,
            product_id: *product,
            quantity: 1,
            price: cents(1_000),
            fee: cents(200),
            total: cents(1_200),
            time,
            traceparent: TraceParent::mint(),
            request_id: RequestId::mint(),
        }
    });
    payments.emit(events)
}
