//! Measures one kind of request at a time, with few and with many connections, and beside it a bare
//! server that gives the same answer.

use anyhow::{Context, Result};
use stack::load::{CONNECTIONS, Load, Outcome, Request, Until};
use stack::number::micros_each;

use crate::catalogue::order_id;
use crate::figure::{Bare, Sheet};
use crate::limits::Server;
use crate::machine::{Group, Used};
use crate::options::Options;
use crate::rig::Rig;

/// The numbers of connections of the closed loops.
const WIDTHS: [usize; 3] = [1, 16, CONNECTIONS];
/// The share of a measurement's time for which it is warmed up before.
const WARM_UP: f64 = 0.2;
/// The number of orders that are read in turn.
const ORDERS: u64 = 50;

/// A kind of request.
struct Kind<'a> {
    name: &'a str,
    load: Load,
    widths: &'a [usize],
    /// Whether the system has work left after each loop, for which the bench has to wait.
    leaves_work: bool,
}

/// `GET /products/{id}` and `GET /orders/{id}`.
pub(super) fn get(rig: &mut Rig, sheet: &mut Sheet) -> Result<()> {
    let placing = Load {
        keep: true,
        ..rig.orders(1, Until::Count(ORDERS))?
    };
    let placed = placing.run()?;
    rig.rest()?;
    let orders = placed.kept.iter().map(|(_, answer)| order_id(answer));
    let orders: Vec<_> = orders.collect::<Result<_>>()?;
    let orders = orders.iter().map(|id| format!("/orders/{id}"));
    let products = rig.products.iter().map(|id| format!("/products/{id}"));
    let (products, orders): (Vec<_>, Vec<_>) = (products.collect(), orders.collect());
    for (name, to, paths) in [
        ("get_product", rig.inventory_address()?, products),
        ("get_order", rig.payments_address()?, orders),
    ] {
        let load = Load {
            to: vec![to],
            requests: paths.iter().map(|path| Request::get(path)).collect(),
            expect: 200,
            ..placing.clone()
        };
        let kind = Kind {
            name,
            load,
            widths: &WIDTHS,
            leaves_work: false,
        };
        kind.measure(rig, sheet)?;
    }
    Ok(())
}

/// Measures `POST /orders` while the orders are also paid and applied.
pub(super) fn post(rig: &mut Rig, sheet: &mut Sheet, name: &str) -> Result<()> {
    let first = if name == "post" { 0 } else { 2 };
    let kind = Kind {
        name,
        load: rig.orders(1, Until::Count(1))?,
        widths: &WIDTHS[first..],
        leaves_work: true,
    };
    kind.measure(rig, sheet)
}

/// Measures `POST /orders` alone: no order is paid during the measurement.
pub(super) fn accept(rig: &mut Rig, sheet: &mut Sheet) -> Result<()> {
    let kind = Kind {
        name: "accept",
        load: rig.orders(1, Until::Count(1))?,
        widths: &WIDTHS[2..],
        leaves_work: false,
    };
    kind.measure(rig, sheet)
}

impl Kind<'_> {
    fn measure(&self, rig: &mut Rig, sheet: &mut Sheet) -> Result<()> {
        let (group, options) = (rig.group(), rig.options.clone());
        for (name, load) in self.loops(&options) {
            let (outcome, used) = run(&group, &load, &options).context(name.clone())?;
            let mut section = sheet.section(&name, used.foreign);
            section.higher("rate", "/s", outcome.per_second());
            section.lower("p50", "us", outcome.micros(50.0));
            section.lower("p99", "us", outcome.micros(99.0));
            let each = |seconds| micros_each(seconds, outcome.answers);
            section.lower("cpu", "us", each(used.total()));
            // The processor time that the load generator takes from the machine.
            section.part("load", "us", each(used.own));
            self.settle(rig)?;
        }
        if !options.limits() {
            return Ok(());
        }
        let answer = self.load.once()?;
        self.settle(rig)?;
        self.limits(&Server::start(rig, &answer)?, &options, sheet)
    }

    /// A closed loop for each number of connections, and then an open loop, each with its name.
    fn loops(&self, options: &Options) -> Vec<(String, Load)> {
        let closed = self.widths.iter().map(|&width| {
            let name = format!("{}.c{width}", self.name);
            (name, self.closed(width, options))
        });
        // Requests are sent at a fixed rate.
        let open = Load {
            rate: Some(options.rate),
            ..self.closed(CONNECTIONS, options)
        };
        closed
            .chain([(format!("{}.open", self.name), open)])
            .collect()
    }

    /// A closed loop: each connection sends a request when the last one was answered.
    fn closed(&self, connections: usize, options: &Options) -> Load {
        let until = Until::Time(options.http_time());
        Load {
            connections,
            until,
            rate: None,
            keep: false,
            ..self.load.clone()
        }
    }

    /// Measures the same load on the bare server.
    fn limits(&self, server: &Server, options: &Options, sheet: &mut Sheet) -> Result<()> {
        let group = server.group();
        for (name, load) in self.loops(options) {
            let load = Load {
                to: vec![server.address()],
                ..load
            };
            let (outcome, used) = run(&group, &load, options)?;
            for (part, limit) in [
                ("rate", outcome.per_second()),
                ("p50", outcome.micros(50.0)),
                ("p99", outcome.micros(99.0)),
                ("cpu", micros_each(used.total(), outcome.answers)),
            ] {
                sheet.limit(&format!("{name}.{part}"), Bare::Http, limit);
            }
        }
        Ok(())
    }

    fn settle(&self, rig: &mut Rig) -> Result<()> {
        if self.leaves_work { rig.rest() } else { Ok(()) }
    }
}

/// Sends a load. Before, the same load is sent for a short time without counting it, to warm up
/// connections, caches and the processor's clock.
fn run(group: &Group, load: &Load, options: &Options) -> Result<(Outcome, Used)> {
    let warm_up = Load {
        until: Until::Time(options.http_time().mul_f64(WARM_UP)),
        ..load.clone()
    };
    warm_up.run()?;
    group.measure(|| load.run())
}
