//! One round of all chosen measurements, on systems of its own.

use anyhow::Result;
use stack::binaries::Binaries;

use crate::figure::Sheet;
use crate::limits;
use crate::load::{PRODUCTS, Until};
use crate::options::{Measure, Options};
use crate::rig::Rig;

mod choreography;
mod drain;
mod footprint;
mod http;
mod latency;
mod scale;

/// The number of orders that warm a system up before it is measured.
const FIRST_ORDERS: u64 = 200;
/// A delay that is longer than any measurement.
const MUCH_LATER: &str = "1h";

/// Measures one round. `tell` gets a line before each measurement.
pub(crate) fn round(
    options: &Options,
    binaries: &Binaries,
    tell: &mut dyn FnMut(&str),
) -> Result<Sheet> {
    use Measure::{Accept, Drain, E2e, Footprint, Get, Latency, Post, Uncached};
    let mut sheet = Sheet::default();
    if options.wants_any(&[Footprint, Get, Post, E2e, Latency]) {
        at_once(options, binaries, &mut sheet, tell)?;
    }
    if options.wants(Uncached) {
        tell("POST /orders, product cache off");
        let settings = [("COMPLETION_DELAY", "0"), ("PRODUCT_CACHE_TTL", "0")];
        let mut rig = open(options, binaries, &settings, &mut sheet)?;
        let products = rig.products(PRODUCTS)?;
        http::post(&mut rig, options, &mut sheet, "uncached", &products)?;
    }
    if options.wants_any(&[Accept, Drain]) {
        much_later(options, binaries, &mut sheet, tell)?;
    }
    if options.wants(Measure::Scale) {
        scale::measure(options, binaries, &mut sheet, tell)?;
    }
    if options.limits() && options.wants_any(&[Accept, E2e, Drain, Latency]) {
        tell("the same work on the stores alone");
        limits::stores(options, binaries, &mut sheet)?;
    }
    Ok(sheet)
}

/// The measurements on a system that pays orders at once.
fn at_once(
    options: &Options,
    binaries: &Binaries,
    sheet: &mut Sheet,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut rig = open(options, binaries, &[("COMPLETION_DELAY", "0")], sheet)?;
    let products = rig.products(PRODUCTS)?;
    rig.orders(&products, 1, Until::Count(FIRST_ORDERS))?
        .run()?;
    rig.rest()?;
    if options.wants(Measure::Footprint) {
        tell("idle processes");
        footprint::measure(&rig, options, sheet)?;
    }
    if options.wants(Measure::Get) {
        tell("GET /products/{id}, GET /orders/{id}");
        http::get(&mut rig, options, sheet, &products)?;
    }
    if options.wants(Measure::Post) {
        tell("POST /orders");
        http::post(&mut rig, options, sheet, "post", &products)?;
    }
    if options.wants(Measure::E2e) {
        tell("the whole choreography");
        choreography::measure(&mut rig, options, sheet, &products)?;
    }
    if options.wants(Measure::Latency) {
        tell("from paid to taken");
        latency::measure(&mut rig, options, sheet, &products)?;
    }
    Ok(())
}

/// The measurements on a system that pays no order during them.
fn much_later(
    options: &Options,
    binaries: &Binaries,
    sheet: &mut Sheet,
    tell: &mut dyn FnMut(&str),
) -> Result<()> {
    let mut rig = open(
        options,
        binaries,
        &[("COMPLETION_DELAY", MUCH_LATER)],
        sheet,
    )?;
    if options.wants(Measure::Accept) {
        tell("POST /orders, accepted and no more");
        let products = rig.products(PRODUCTS)?;
        http::accept(&mut rig, options, sheet, &products)?;
    }
    if options.wants(Measure::Drain) {
        for pile in options.piles() {
            tell(&format!("a pile of {pile} events"));
            drain::measure(&mut rig, sheet, pile)?;
        }
    }
    Ok(())
}

/// Starts a system, and notes the server program of its stores.
fn open(
    options: &Options,
    binaries: &Binaries,
    settings: &[(&str, &str)],
    sheet: &mut Sheet,
) -> Result<Rig> {
    let mut rig = Rig::open(options, binaries, settings)?;
    sheet.store = rig.payments.operator_mut().program()?;
    Ok(rig)
}
