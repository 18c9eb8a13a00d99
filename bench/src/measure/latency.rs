//! Measures the time from paying an order to taking its stock, at a light load.

use anyhow::{Result, ensure};
use shared::contract::id::ProductId;

use crate::catalogue::order_id;
use crate::figure::Sheet;
use crate::load::{Load, Until};
use crate::monitor::Monitor;
use crate::number::{per_second, quantile};
use crate::options::Options;
use crate::paid_to_taken::from_paid_to_taken;
use crate::rig::Rig;

/// Orders a second.
const RATE: u32 = 100;
const CONNECTIONS: usize = 8;

/// Places orders at a light load, and listens to both stores. The stores have the clock of this
/// machine, so their times can be compared.
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number of orders, and at least 50"
)]
fn whole(orders: f64) -> u64 {
    orders as u64
}
