//! Does the same work on the stores with a bare pipelined client. It builds commands beforehand,
//! and reads an answer only if the next command depends on it. It sends recorded commands again; the
//! replay of a consumer after a loss is another thing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use stack::number::{float, micros_each, per_second, quantile};

use super::capture::Capture;
use super::line::{Line, joined, packed};
use super::template::{Order, Template};
use crate::machine::Group;
use crate::paid_to_taken::from_paid_to_taken;
use crate::rig::{Rig, heard};

/// The number of orders in a pipeline: as many as the clients of the services send at once.
const DEPTH: usize = 64;
/// The number of connections to the store of payments: with two, the store always has work.
const PAYMENTS_LINES: usize = 2;
/// The pause between two orders while the latency of single orders is measured.
const PAUSE: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_mins(5);

/// The recorded commands, and the number of orders to send them for.
pub(crate) struct Replay {
    pub(crate) capture: Capture,
    pub(crate) orders: u64,
}

impl Replay {
    /// The number of orders a second that the stores can place, if they do nothing else.
    pub(crate) fn accept(&self, rig: &Rig) -> Result<f64> {
        let orders = self.fresh();
        let pipelines = self.placements(&orders, DEPTH);
        let mut line = Line::connect(rig.payments.operator())?;
        let started = Instant::now();
        for (pipeline, count) in &pipelines {
            line.ask(pipeline, *count)?;
        }
        Ok(per_second(self.orders, started.elapsed()))
    }

    /// The number of events a second that can be read, applied and acknowledged. The pile of events
    /// comes from the orders of [`Replay::accept`].
    pub(crate) fn drain(&self, rig: &mut Rig) -> Result<f64> {
        let mut line = Line::connect(rig.payments.operator())?;
        let complete = packed(&self.capture.complete);
        while rig.payments.due()? > 0 {
            line.ask(&complete, 1)?;
        }
        let orders = self.fresh();
        let apply = self.applications(&orders);
        let read = AtomicU64::new(0);
        let started = Instant::now();
        scope(|scope| {
            let reader = scope.spawn(|| self.consume(rig, &[], &read));
            self.apply(rig, &apply)?;
            joined(reader)
        })?;
        ensure!(
            read.into_inner() == self.orders,
            "not all of the pile was read"
        );
        Ok(per_second(self.orders, started.elapsed()))
    }

    /// The number of orders a second that can be placed, paid, read, applied and acknowledged, and
    /// the processor time of both stores for each order in microseconds.
    pub(crate) fn whole(&self, rig: &Rig) -> Result<(f64, f64)> {
        let orders = self.fresh();
        let apply = self.applications(&orders);
        let batch = self.capture.apply_many.orders();
        let share = orders.len().div_ceil(PAYMENTS_LINES).max(1);
        let shares = orders.chunks(share);
        let place: Vec<_> = shares.map(|share| self.placements(share, batch)).collect();
        let read = AtomicU64::new(0);
        let group = Group::new([
            (
                "inventory redis".to_owned(),
                rig.system.inventory_redis().pid(),
            ),
            (
                "payments redis".to_owned(),
                rig.system.payments_redis().pid(),
            ),
        ]);
        let ((), used) = group.measure(|| {
            scope(|scope| {
                let lines: Vec<_> = place
                    .iter()
                    .map(|place| scope.spawn(|| self.consume(rig, place, &read)))
                    .collect();
                self.apply(rig, &apply)?;
                lines.into_iter().try_for_each(joined)
            })
        })?;
        ensure!(read.into_inner() == self.orders, "not every order was read");
        Ok((
            float(self.orders) / used.wall,
            micros_each(used.total(), self.orders),
        ))
    }

    /// The time from paying an order to taking its stock, for one order at a time: the median and
    /// the 99th percentile, in microseconds.
    pub(crate) fn latency(&self, rig: &Rig, time: Duration) -> Result<(f64, f64)> {
        let listeners = rig.listen()?;
        let orders: Vec<Order> = (0..=time.as_millis() / PAUSE.as_millis())
            .map(|_| Order::fresh())
            .collect();
        let complete = packed(&self.capture.complete);
        scope(|scope| {
            let consumer = scope.spawn(|| self.consume_singly(rig, orders.len()));
            let mut line = Line::connect(rig.payments.operator())?;
            let mut buffer = Vec::new();
            for order in &orders {
                buffer.clear();
                self.capture
                    .place_one
                    .write(std::slice::from_ref(order), &mut buffer);
                buffer.extend_from_slice(&complete);
                line.ask(&buffer, 2)?;
                // The pause sets the rate; it does not wait for a condition.
                sleep(PAUSE);
            }
            joined(consumer)
        })?;
        let waits = from_paid_to_taken(&heard(listeners)?);
        ensure!(
            waits.len() == orders.len(),
            "{} of {} orders",
            waits.len(),
            orders.len()
        );
        let half = quantile(&waits, 50).context("nothing was measured")?;
        Ok((half, quantile(&waits, 99).unwrap_or(half)))
    }

    /// Places and pays, reads and acknowledges, until every order of all lines was read.
    fn consume(&self, rig: &Rig, place: &[(Vec<u8>, usize)], read: &AtomicU64) -> Result<()> {
        let mut line = Line::connect(rig.payments.operator())?;
        let (complete, ask) = (packed(&self.capture.complete), packed(&self.capture.read));
        let deadline = Instant::now() + LIMIT;
        let mut buffer = Vec::new();
        let mut entries = Vec::new();
        let pays = !place.is_empty();
        let mut place = place.iter();
        loop {
            ensure!(
                Instant::now() < deadline,
                "the stores do not come to an end"
            );
            buffer.clear();
            // The read is the last command of the pipeline, so its answer is the last one.
            let mut count = 0;
            if !entries.is_empty() {
                buffer.extend_from_slice(&self.acknowledgement(&entries));
                count += 1;
            }
            let placed = place.next();
            if let Some((pipeline, commands)) = placed {
                buffer.extend_from_slice(pipeline);
                count += commands;
            }
            let more = placed.is_some() || read.load(Ordering::Relaxed) < self.orders;
            if more && pays {
                buffer.extend_from_slice(&complete);
                count += 1;
            }
            if more {
                buffer.extend_from_slice(&ask);
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            let answers = line.ask(&buffer, count)?;
            entries = if more {
                Line::entries(answers.last())
            } else {
                Vec::new()
            };
            read.fetch_add(u64::try_from(entries.len())?, Ordering::Relaxed);
        }
    }

    /// Reads, applies and acknowledges one order after the other, as soon as its event arrives.
    fn consume_singly(&self, rig: &Rig, orders: usize) -> Result<()> {
        let mut payments = Line::connect(rig.payments.operator())?;
        let mut inventory = Line::connect(rig.inventory.operator())?;
        let mut read = self.capture.read.clone();
        let place = read
            .iter()
            .position(|arg| arg == b"STREAMS")
            .context("no STREAMS")?;
        read.splice(place..place, [b"BLOCK".to_vec(), b"1000".to_vec()]);
        let read = packed(&read);
        let deadline = Instant::now() + LIMIT;
        let mut seen = 0;
        while seen < orders {
            ensure!(Instant::now() < deadline, "not every order was read");
            let entries = Line::entries(payments.ask(&read, 1)?.last());
            for entry in &entries {
                let order = Order {
                    id: entry.order.clone(),
                    hash: String::new(),
                };
                let mut buffer = Vec::new();
                self.capture.apply_one.write(&[order], &mut buffer);
                inventory.ask(&buffer, 1)?;
            }
            if !entries.is_empty() {
                payments.ask(&self.acknowledgement(&entries), 1)?;
            }
            seen += entries.len();
        }
        Ok(())
    }

    /// Sends the calls that take the stock. The next call is sent before the last one is answered.
    fn apply(&self, rig: &Rig, calls: &[Vec<u8>]) -> Result<()> {
        let mut line = Line::connect(rig.inventory.operator())?;
        let mut applied = 0;
        for pair in calls.chunks(2) {
            for answer in line.ask(&pair.concat(), pair.len())? {
                applied += Line::ones(&answer);
            }
        }
        ensure!(
            applied == self.orders,
            "{applied} of {} orders were applied",
            self.orders
        );
        Ok(())
    }

    fn fresh(&self) -> Vec<Order> {
        (0..self.orders).map(|_| Order::fresh()).collect()
    }

    /// Calls that take the stock of these orders, as many at once as the system does.
    fn applications(&self, orders: &[Order]) -> Vec<Vec<u8>> {
        calls(&self.capture.apply_one, &self.capture.apply_many, orders)
    }

    /// Calls that place these orders, as many at once as the system does, and about `depth` orders
    /// in each pipeline.
    fn placements(&self, orders: &[Order], depth: usize) -> Vec<(Vec<u8>, usize)> {
        let Capture {
            place_one,
            place_many,
            ..
        } = &self.capture;
        let calls = calls(place_one, place_many, orders);
        let depth = depth.div_ceil(place_many.orders());
        calls
            .chunks(depth.max(1))
            .map(|calls| (calls.concat(), calls.len()))
            .collect()
    }

    fn acknowledgement(&self, entries: &[super::line::Entry]) -> Vec<u8> {
        let ids = entries.iter().map(|entry| entry.id.clone());
        let args: Vec<Vec<u8>> = self
            .capture
            .acknowledge
            .iter()
            .cloned()
            .chain(ids)
            .collect();
        packed(&args)
    }
}

/// Calls for these orders. Each call of `many` takes as many orders as that template, and the rest
/// are calls of `one`.
fn calls(one: &Template, many: &Template, orders: &[Order]) -> Vec<Vec<u8>> {
    let call = |template: &Template, orders: &[Order]| {
        let mut buffer = Vec::new();
        template.write(orders, &mut buffer);
        buffer
    };
    let whole = orders.chunks_exact(many.orders());
    let rest = whole.remainder().chunks_exact(one.orders());
    whole
        .map(|orders| call(many, orders))
        .chain(rest.map(|orders| call(one, orders)))
        .collect()
}
