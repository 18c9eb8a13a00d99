//! Measures the time from paying an order to taking its stock, at a light load.

use anyhow::{Result, ensure};
use stack::load::{Load, Until};
use stack::number::{per_second, quantile};

use crate::catalogue::order_id;
use crate::figure::Sheet;
use crate::paid_to_taken::from_paid_to_taken;
use crate::rig::{Rig, heard};

/// Orders a second.
const RATE: u32 = 100;
const CONNECTIONS: usize = 8;

/// Places orders at a light load, and listens to both stores. The stores have the clock of this
/// machine, so their times can be compared.
pub(super) fn measure(rig: &mut Rig, sheet: &mut Sheet) -> Result<()> {
    rig.rest()?;
    let orders = (rig.options.idle_time().as_secs_f64() * f64::from(RATE)).max(50.0);
    let load = Load {
        rate: Some(RATE),
        keep: true,
        ..rig.orders(CONNECTIONS, Until::Count(whole(orders)))?
    };
    let listeners = rig.listen()?;
    let (outcome, used) = rig.group().measure(|| {
        let outcome = load.run()?;
        rig.rest()?;
        Ok(outcome)
    })?;
    let waits = from_paid_to_taken(&heard(listeners)?);
    let placed: Result<Vec<_>> = outcome.kept.iter().map(|(_, it)| order_id(it)).collect();
    let placed = placed?.len();
    ensure!(
        waits.len() >= placed,
        "{} of {placed} orders were seen",
        waits.len()
    );
    let mut event = sheet.section("event", used.foreign);
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        if let Some(micros) = quantile(&waits, percent) {
            event.lower(name, "us", micros);
        }
    }
    let rate = per_second(outcome.answers, outcome.took);
    event.higher("rate", "orders/s", rate);
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
