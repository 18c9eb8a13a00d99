//! Measures the limits of the machine: parts of the system's work, done by bare programs.

use anyhow::Result;
use stack::binaries::Binaries;

use crate::figure::{Bare, Sheet};
use crate::options::{Fsync, Options};
use crate::rig::Rig;

mod capture;
mod line;
mod replay;
mod server;
mod template;

pub(crate) use server::{Server, answer};

use capture::Capture;
use replay::Replay;

/// Records the commands that the system sends to its stores, ends the services, and sends the same
/// commands from a bare client.
pub(crate) fn stores(options: &Options, binaries: &Binaries, sheet: &mut Sheet) -> Result<()> {
    let mut rig = Rig::open(options, binaries, &[("COMPLETION_DELAY", "0")])?;
    let capture = Capture::take(&mut rig)?;
    rig.close_services();
    let replay = Replay {
        capture,
        orders: options.orders(),
    };

    let accepted = replay.accept(&rig)?;
    sheet.limit("accept.c64.rate", Bare::Redis, accepted);
    let drained = replay.drain(&mut rig)?;
    for pile in options.piles() {
        sheet.limit(&format!("drain.{pile}.rate"), Bare::Redis, drained);
    }
    measure_whole(&replay, &rig, sheet, "e2e")?;
    if sheet.has("event.p50") {
        let (half, most) = replay.latency(&rig, options.idle_time())?;
        sheet.limit("event.p50", Bare::Redis, half);
        sheet.limit("event.p99", Bare::Redis, most);
    }
    if sheet.has("e2e_always.rate") {
        rig.fsync(Fsync::Always.word())?;
        measure_whole(&replay, &rig, sheet, "e2e_always")?;
    }
    Ok(())
}

fn measure_whole(replay: &Replay, rig: &Rig, sheet: &mut Sheet, name: &str) -> Result<()> {
    let (rate, micros) = replay.whole(rig)?;
    sheet.limit(&format!("{name}.rate"), Bare::Redis, rate);
    sheet.limit(&format!("{name}.cpu"), Bare::Redis, micros);
    Ok(())
}
