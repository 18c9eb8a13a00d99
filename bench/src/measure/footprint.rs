//! Measures the memory and processor time of the system without clients.

use std::thread::sleep;

use anyhow::Result;

use crate::figure::Sheet;
use crate::rig::Rig;

/// Measures the idle system.
pub(super) fn measure(rig: &Rig, sheet: &mut Sheet) -> Result<()> {
    let group = rig.group();
    let ((), used) = group.measure(|| {
        sleep(rig.options.idle_time());
        Ok(())
    })?;
    let mut idle = sheet.section("idle", used.foreign);
    let memory = group.memory();
    let services = || memory.iter().filter(|(name, _)| !name.ends_with("redis"));
    idle.lower("rss", "MiB", services().map(|(_, memory)| memory).sum());
    for (name, memory) in services() {
        idle.part(&format!("rss.{}", name.replace(' ', "-")), "MiB", *memory);
    }
    let share = |seconds: f64| seconds / used.wall * 100.0;
    for (name, seconds) in &used.members {
        let name = format!("cpu.{}", name.replace(' ', "-"));
        idle.part(&name, "% of a core", share(*seconds));
    }
    idle.lower("cpu", "% of a core", share(used.total()));
    Ok(())
}
