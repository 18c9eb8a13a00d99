//! Measures the whole choreography: places orders as fast as they are accepted, and waits until the
//! last event is acknowledged.

use anyhow::Result;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::live::CHANGES;
use stack::load::{CONNECTIONS, Until};
use stack::number::{float, micros_each, per_second};

use crate::calls::{CALLS_SAMPLED, Habits};
use crate::figure::{Section, Sheet};
use crate::operator::Calls;
use crate::options::Fsync;
use crate::rig::{Rig, Run, heard};

/// Measures with the chosen `appendfsync`, and once more with `always`.
pub(super) fn measure(rig: &mut Rig, sheet: &mut Sheet) -> Result<()> {
    rig.rest()?;
    let orders = rig.options.orders();
    let habits = habits(rig)?;
    let before = kept_memory(rig)?;
    rig.inventory.operator_mut().reset_calls()?;
    rig.payments.operator_mut().reset_calls()?;
    let reads = reads(rig)?;
    let run = run(rig)?;
    // The commands of the bench count as calls too. They are subtracted after they were sent.
    let calls = [
        rig.inventory.operator_mut().calls()?,
        rig.payments.operator_mut().calls()?,
    ];
    let reads = self::reads(rig)?.saturating_sub(reads);
    let mut e2e = sheet.section("e2e", run.used.foreign);
    report(&run, &mut e2e);
    report_calls(orders, &mut e2e, &habits, &calls, reads);
    let after = kept_memory(rig)?;
    for (store, name) in ["inventory", "payments"].into_iter().enumerate() {
        let bytes = float(after[store]) - float(before[store]);
        e2e.lower(&format!("memory.{name}"), "B/order", bytes / float(orders));
    }
    let memory = rig.group().memory();
    let services = memory.iter().filter(|(name, _)| !name.ends_with("redis"));
    let total = services.map(|(_, memory)| memory).sum();
    let mut loaded = sheet.section("loaded", run.used.foreign);
    loaded.lower("rss", "MiB", total);
    if rig.options.fsync != Fsync::Always {
        rig.fsync(Fsync::Always.word())?;
        let run = self::run(rig)?;
        report(&run, &mut sheet.section("e2e_always", run.used.foreign));
        rig.fsync(rig.options.fsync.word())?;
    }
    Ok(())
}

fn run(rig: &mut Rig) -> Result<Run> {
    let orders = rig.options.orders();
    rig.selling(orders, |rig| rig.play(orders))
}

fn report(run: &Run, section: &mut Section<'_>) {
    section.higher("rate", "orders/s", float(run.orders) / run.seconds);
    let posted = per_second(run.orders, run.posted.took);
    section.higher("post.rate", "/s", posted);
    let each = |seconds| micros_each(seconds, run.orders);
    section.lower("cpu", "us/order", each(run.used.total()));
    for (process, seconds) in &run.used.members {
        let name = format!("cpu.{}", process.replace(' ', "-"));
        section.part(&name, "us/order", each(*seconds));
    }
}

fn report_calls(
    orders: u64,
    section: &mut Section<'_>,
    habits: &Habits,
    calls: &[Calls; 2],
    reads: u64,
) {
    let outside = habits.by_clients(0, &calls[0]) + habits.by_clients(1, &calls[1]);
    let all: u64 = calls.iter().flat_map(Calls::values).sum();
    for (name, count) in [
        ("calls", outside),
        ("commands", float(all)),
        ("reads", float(reads)),
    ] {
        section.lower(name, "/order", count / float(orders));
    }
}

/// Records the commands of both stores for a while, to learn which ones functions issue.
fn habits(rig: &mut Rig) -> Result<Habits> {
    let listeners = rig.listen()?;
    rig.orders(CONNECTIONS, Until::Count(CALLS_SAMPLED))?
        .run()?;
    rig.rest()?;
    Ok(Habits::learn(&heard(listeners)?))
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
fn kept_memory(rig: &mut Rig) -> Result<[u64; 2]> {
    let inventory = rig.inventory.operator_mut();
    let inventory = inventory.memory(&[RefundOrder::STREAM, CHANGES])?;
    let payments = rig.payments.operator_mut();
    Ok([
        inventory,
        payments.memory(&[OrderCompleted::STREAM, CHANGES])?,
    ])
}
