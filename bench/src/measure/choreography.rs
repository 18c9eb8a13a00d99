//! Measures the whole choreography: places orders as fast as they are accepted, and waits until the
//! last event is acknowledged.

use std::time::Instant;

use anyhow::{Result, ensure};
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::ProductId;
use shared::live::CHANGES;

use crate::calls::{CALLS_SAMPLED, Habits};
use crate::figure::Sheet;
use crate::load::{CONNECTIONS, Outcome, Until};
use crate::machine::Used;
use crate::monitor::Monitor;
use crate::number::{float, micros_each, per_second};
use crate::operator::Calls;
use crate::options::{Fsync, Options};
use crate::rig::Rig;

/// A run from its first order to its last acknowledgement.
struct Run {
    orders: u64,
    seconds: f64,
    posted: Outcome,
    used: Used,
}

/// Measures with the chosen `appendfsync`, and once more with `always`.
pub(super) fn measure(
    rig: &mut Rig,
    options: &Options,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    rig.rest()?;
    let habits = habits(rig, products)?;
    let before = kept_memory(rig)?;
    rig.inventory.operator_mut().reset_calls()?;
    rig.payments.operator_mut().reset_calls()?;
    let reads = reads(rig)?;
    let run = run(rig, options.orders(), products)?;
    // The commands of the bench count as calls too. They are subtracted after they were sent.
    let calls = [
        rig.inventory.operator_mut().calls()?,
        rig.payments.operator_mut().calls()?,
    ];
    let reads = self::reads(rig)?.saturating_sub(reads);
    report(&run, sheet, "e2e");
    report_calls(&run, sheet, &habits, &calls, reads);
    let after = kept_memory(rig)?;
    for (name, before, after) in [
        ("inventory", before.0, after.0),
        ("payments", before.1, after.1),
    ] {
        let bytes = float(after) - float(before);
        let name = format!("e2e.memory.{name}");
        sheet.lower(name, "B/order", bytes / float(run.orders), run.used.foreign);
    }
    let memory = rig.group().memory();
    let services = memory.iter().filter(|(name, _)| !name.ends_with("redis"));
    let total = services.map(|(_, memory)| memory).sum();
    sheet.lower("loaded.rss".to_owned(), "MiB", total, run.used.foreign);
    if options.fsync != Fsync::Always {
        rig.fsync(Fsync::Always.word())?;
        report(
            &self::run(rig, options.orders(), products)?,
            sheet,
            "e2e_always",
        );
        rig.fsync(options.fsync.word())?;
    }
    Ok(())
}

/// Places orders, and waits until all are paid and their stock is taken. The number of sold pieces
/// has to be exact.
fn run(rig: &mut Rig, orders: u64, products: &[ProductId]) -> Result<Run> {
    let sold = rig.sold(products)?;
    let load = rig.orders(products, CONNECTIONS, Until::Count(orders))?;
    let group = rig.group();
    let mark = group.mark()?;
    let started = Instant::now();
    let posted = load.run()?;
    rig.rest()?;
    let seconds = started.elapsed().as_secs_f64();
    let used = group.since(&mark)?;
    let sold = rig.sold(products)? - sold;
    ensure!(
        sold == orders,
        "{sold} pieces were taken for {orders} orders of one"
    );
    Ok(Run {
        orders,
        seconds,
        posted,
        used,
    })
}

fn report(run: &Run, sheet: &mut Sheet, name: &str) {
    let foreign = run.used.foreign;
    let rate = float(run.orders) / run.seconds;
    sheet.higher(format!("{name}.rate"), "orders/s", rate, foreign);
    let posted = per_second(run.orders, run.posted.took);
    sheet.higher(format!("{name}.post.rate"), "/s", posted, foreign);
    let total = micros_each(run.used.total(), run.orders);
    sheet.lower(format!("{name}.cpu"), "us/order", total, foreign);
    for (process, seconds) in &run.used.members {
        let name = format!("{name}.cpu.{}", process.replace(' ', "-"));
        sheet.part(name, "us/order", micros_each(*seconds, run.orders), foreign);
    }
}

fn report_calls(run: &Run, sheet: &mut Sheet, habits: &Habits, calls: &[Calls; 2], reads: u64) {
    let foreign = run.used.foreign;
    let each = |count: u64| float(count) / float(run.orders);
    let outside = habits.by_clients(0, &calls[0]) + habits.by_clients(1, &calls[1]);
    let all = calls.iter().flat_map(Calls::values).sum();
    sheet.lower(
        "e2e.calls".to_owned(),
        "/order",
        outside / float(run.orders),
        foreign,
    );
    sheet.lower("e2e.commands".to_owned(), "/order", each(all), foreign);
    sheet.lower("e2e.reads".to_owned(), "/order", each(reads), foreign);
}

/// Records the commands of both stores for a while, to learn which ones functions issue.
fn habits(rig: &mut Rig, products: &[ProductId]) -> Result<Habits> {
    let inventory = Monitor::begin(rig.inventory.operator().url())?;
    let payments = Monitor::begin(rig.payments.operator().url())?;
    rig.orders(products, CONNECTIONS, Until::Count(CALLS_SAMPLED))?
        .run()?;
    rig.rest()?;
    Ok(Habits::learn([&inventory.end()?, &payments.end()?]))
}

/// The number of times that the stores read from a connection: once for each call, or less often if
/// several calls arrive together.
fn reads(rig: &mut Rig) -> Result<u64> {
    let mut reads = 0;
    for store in [&mut rig.inventory, &mut rig.payments] {
        reads += store
            .operator_mut()
            .number("stats", "total_reads_processed")?;
    }
    Ok(reads)
}

/// The memory of the keys that both stores keep, without the streams that are trimmed later.
fn kept_memory(rig: &mut Rig) -> Result<(u64, u64)> {
    let inventory = rig
        .inventory
        .operator_mut()
        .memory(&[RefundOrder::STREAM, CHANGES])?;
    Ok((
        inventory,
        rig.payments
            .operator_mut()
            .memory(&[OrderCompleted::STREAM, CHANGES])?,
    ))
}
