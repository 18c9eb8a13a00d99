//! Measures the memory and processor time of the system without clients.

use std::thread::sleep;

use anyhow::Result;

use crate::figure::Sheet;
use crate::options::Options;
use crate::rig::Rig;

/// Measures the idle system.
pub(super) fn measure(rig: &Rig, options: &Options, sheet: &mut Sheet) -> Result<()> {
    let group = rig.group();
    let mark = group.mark()?;
    sleep(options.idle_time());
    let used = group.since(&mark)?;
    let memory = group.memory();
    let services = || memory.iter().filter(|(name, _)| !name.ends_with("redis"));
    let total = services().map(|(_, memory)| memory).sum();
    sheet.lower("idle.rss".to_owned(), "MiB", total, used.foreign);
    for (name, memory) in services() {
        let name = format!("idle.rss.{}", name.replace(' ', "-"));
        sheet.part(name, "MiB", *memory, used.foreign);
    }
    for (name, seconds) in &used.members {
        let name = format!("idle.cpu.{}", name.replace(' ', "-"));
        sheet.part(
            name,
            "% of a core",
            seconds / used.wall * 100.0,
            used.foreign,
        );
    }
    let share = used.total() / used.wall * 100.0;
    sheet.lower("idle.cpu".to_owned(), "% of a core", share, used.foreign);
    Ok(())
}
