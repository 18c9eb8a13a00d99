//! Measures one kind of request at a time, with few and with many connections, and beside it a bare
//! server that gives the same answer.

use anyhow::{Context, Result};
use shared::contract::id::ProductId;

use crate::catalogue::order_id;
use crate::figure::{Bare, Sheet};
use crate::limits::Server;
use crate::load::{CONNECTIONS, Load, Request, Until};
use crate::machine::Group;
use crate::number::micros_each;
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
pub(super) fn get(
    rig: &mut Rig,
    options: &Options,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    let placing = Load {
        keep: true,
        ..rig.orders(products, 1, Until::Count(ORDERS))?
    };
    let placed = placing.run()?;
    rig.rest()?;
    let orders = placed.kept.iter().map(|(_, answer)| order_id(answer));
    let orders: Vec<_> = orders.collect::<Result<_>>()?;
    let orders = orders
        .iter()
        .map(|id| Request::get(&format!("/orders/{id}")));
    let products = products
        .iter()
        .map(|id| Request::get(&format!("/products/{id}")));
    for (name, to, requests) in [
        (
            "get_product",
            rig.inventory_address()?,
            products.collect::<Vec<_>>(),
        ),
        ("get_order", rig.payments_address()?, orders.collect()),
    ] {
        let load = Load {
            to: vec![to],
            requests,
            expect: 200,
            ..placing.clone()
        };
        let kind = Kind {
            name,
            load,
            widths: &WIDTHS,
            leaves_work: false,
        };
        kind.measure(rig, options, sheet)?;
    }
    Ok(())
}

/// Measures `POST /orders` while the orders are also paid and applied.
pub(super) fn post(
    rig: &mut Rig,
    options: &Options,
    sheet: &mut Sheet,
    name: &str,
    products: &[ProductId],
) -> Result<()> {
    let load = rig.orders(products, 1, Until::Count(1))?;
    let widths = if name == "post" {
        &WIDTHS[..]
    } else {
        &WIDTHS[2..]
    };
    Kind {
        name,
        load,
        widths,
        leaves_work: true,
    }
    .measure(rig, options, sheet)
}

/// Measures `POST /orders` alone: no order is paid during the measurement.
pub(super) fn accept(
    rig: &mut Rig,
    options: &Options,
    sheet: &mut Sheet,
    products: &[ProductId],
) -> Result<()> {
    let load = rig.orders(products, 1, Until::Count(1))?;
    let kind = Kind {
        name: "accept",
        load,
        widths: &WIDTHS[2..],
        leaves_work: false,
    };
    kind.measure(rig, options, sheet)
}

impl Kind<'_> {
    fn measure(&self, rig: &mut Rig, options: &Options, sheet: &mut Sheet) -> Result<()> {
        let group = rig.group();
        for &width in self.widths {
            let name = format!("{}.c{width}", self.name);
            let closed = self.closed(width, options);
            run(&group, &closed, sheet, &name, options)?;
            self.settle(rig)?;
        }
        let open = self.open(options);
        run(
            &group,
            &open,
            sheet,
            &format!("{}.open", self.name),
            options,
        )?;
        self.settle(rig)?;
        if !options.limits() {
            return Ok(());
        }
        let answer = self.load.once()?;
        self.settle(rig)?;
        self.limits(&Server::start(rig, &answer)?, options, sheet)
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

    /// An open loop: requests are sent at a fixed rate.
    fn open(&self, options: &Options) -> Load {
        Load {
            rate: Some(options.rate),
            ..self.closed(CONNECTIONS, options)
        }
    }

    /// Measures the same load on the bare server.
    fn limits(&self, server: &Server, options: &Options, sheet: &mut Sheet) -> Result<()> {
        let group = server.group();
        let closed = self
            .widths
            .iter()
            .map(|width| (format!("c{width}"), *width));
        for (suffix, width) in closed.chain([("open".to_owned(), 0)]) {
            let load = if width == 0 {
                self.open(options)
            } else {
                self.closed(width, options)
            };
            let load = Load {
                to: vec![server.address()],
                ..load
            };
            warm_up(&load, options)?;
            let mark = group.mark()?;
            let outcome = load.run()?;
            let used = group.since(&mark)?;
            let name = format!("{}.{suffix}", self.name);
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

fn run(group: &Group, load: &Load, sheet: &mut Sheet, name: &str, options: &Options) -> Result<()> {
    warm_up(load, options).context(name.to_owned())?;
    let mark = group.mark()?;
    let outcome = load.run().context(name.to_owned())?;
    let used = group.since(&mark)?;
    sheet.higher(
        format!("{name}.rate"),
        "/s",
        outcome.per_second(),
        used.foreign,
    );
    sheet.lower(
        format!("{name}.p50"),
        "us",
        outcome.micros(50.0),
        used.foreign,
    );
    sheet.lower(
        format!("{name}.p99"),
        "us",
        outcome.micros(99.0),
        used.foreign,
    );
    let each = micros_each(used.total(), outcome.answers);
    sheet.lower(format!("{name}.cpu"), "us", each, used.foreign);
    // The processor time that the load generator takes from the machine.
    let each = micros_each(used.own, outcome.answers);
    sheet.part(format!("{name}.load"), "us", each, used.foreign);
    Ok(())
}

/// Sends the same load for a short time without counting it, to warm up connections, caches and the
/// processor's clock.
fn warm_up(load: &Load, options: &Options) -> Result<()> {
    let until = Until::Time(options.http_time().mul_f64(WARM_UP));
    Load {
        until,
        ..load.clone()
    }
    .run()
    .map(drop)
}
