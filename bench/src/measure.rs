//! One round of all chosen measurements, on systems of its own.

use anyhow::Result;
use stack::binaries::Binaries;
use stack::load::Until;

use crate::figure::Sheet;
use crate::limits;
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

/// One round.
struct Round<'a> {
    options: &'a Options,
    binaries: &'a Binaries,
    sheet: Sheet,
    /// Gets a line before each measurement.
    tell: &'a mut dyn FnMut(&str),
}

/// Measures one round. `tell` gets a line before each measurement.
pub(crate) fn round(
    options: &Options,
    binaries: &Binaries,
    tell: &mut dyn FnMut(&str),
) -> Result<Sheet> {
    let mut round = Round {
        options,
        binaries,
        sheet: Sheet::default(),
        tell,
    };
    round.measure()?;
    Ok(round.sheet)
}

impl Round<'_> {
    fn measure(&mut self) -> Result<()> {
        use Measure::{Accept, Drain, E2e, Footprint, Get, Latency, Post, Uncached};
        let (options, binaries) = (self.options, self.binaries);
        if options.wants_any(&[Footprint, Get, Post, E2e, Latency]) {
            self.at_once()?;
        }
        if options.wants(Uncached) {
            (self.tell)("POST /orders, product cache off");
            let mut rig = self.open(&[("COMPLETION_DELAY", "0"), ("PRODUCT_CACHE_TTL", "0")])?;
            http::post(&mut rig, &mut self.sheet, "uncached")?;
        }
        if options.wants_any(&[Accept, Drain]) {
            self.much_later()?;
        }
        if options.wants(Measure::Scale) {
            scale::measure(options, binaries, &mut self.sheet, self.tell)?;
        }
        if options.limits() && options.wants_any(&[Accept, E2e, Drain, Latency]) {
            (self.tell)("the same work on the stores alone");
            limits::stores(options, binaries, &mut self.sheet)?;
        }
        Ok(())
    }

    /// The measurements on a system that pays orders at once.
    fn at_once(&mut self) -> Result<()> {
        let mut rig = self.open(&[("COMPLETION_DELAY", "0")])?;
        rig.orders(1, Until::Count(FIRST_ORDERS))?.run()?;
        rig.rest()?;
        if self.wants(Measure::Footprint, "idle processes") {
            footprint::measure(&rig, &mut self.sheet)?;
        }
        if self.wants(Measure::Get, "GET /products/{id}, GET /orders/{id}") {
            http::get(&mut rig, &mut self.sheet)?;
        }
        if self.wants(Measure::Post, "POST /orders") {
            http::post(&mut rig, &mut self.sheet, "post")?;
        }
        if self.wants(Measure::E2e, "the whole choreography") {
            choreography::measure(&mut rig, &mut self.sheet)?;
        }
        if self.wants(Measure::Latency, "from paid to taken") {
            latency::measure(&mut rig, &mut self.sheet)?;
        }
        Ok(())
    }

    /// The measurements on a system that pays no order during them.
    fn much_later(&mut self) -> Result<()> {
        let mut rig = self.open(&[("COMPLETION_DELAY", MUCH_LATER)])?;
        if self.wants(Measure::Accept, "POST /orders, accepted and no more") {
            http::accept(&mut rig, &mut self.sheet)?;
        }
        for pile in self.options.piles() {
            if self.wants(Measure::Drain, &format!("a pile of {pile} events")) {
                drain::measure(&mut rig, &mut self.sheet, pile)?;
            }
        }
        Ok(())
    }

    /// Whether this measurement is chosen. If it is, says that it begins.
    fn wants(&mut self, measure: Measure, what: &str) -> bool {
        let wanted = self.options.wants(measure);
        if wanted {
            (self.tell)(what);
        }
        wanted
    }

    /// Starts a system, and notes the server program of its stores.
    fn open(&mut self, settings: &[(&str, &str)]) -> Result<Rig> {
        let mut rig = Rig::open(self.options, self.binaries, settings)?;
        self.sheet.store = rig.payments.operator_mut().program()?;
        Ok(rig)
    }
}
