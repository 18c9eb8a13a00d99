//! The memory, descriptors and threads of a process, as the kernel counts them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use stack::memory;
use stack::process::Process;
use stack::system::System;
use tokio::time::sleep;

use super::plan::PROCESSES;

/// The pause between two looks at the peak memory of the processes. The kernel records the peak,
/// and forgets it when the process ends.
const PEAK_INTERVAL: Duration = Duration::from_millis(100);

/// A process may grow by this share plus the amounts below.
const GROWTH_PERCENT: u64 = 10;
/// Memory that an allocator keeps, and that a loaded machine adds.
const RSS_ALLOWANCE_KIB: u64 = 12 * 1_024;
/// Memory that a connection keeps after it read large entries: the size of the largest answer that
/// a store sends.
const LARGE_ALLOWANCE_KIB: u64 = 64 * 1_024;
/// Descriptors of connections that clients hold open, and threads that a runtime starts on demand.
const COUNT_ALLOWANCE: u64 = 24;

/// The resources that one process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) rss_kib: u64,
    pub(super) descriptors: u64,
    pub(super) sockets: u64,
    pub(super) threads: u64,
}

impl Usage {
    /// The resources of this process now; `None` if it does not run, or the system does not know.
    pub(super) fn of(process: &Process) -> Option<Self> {
        if !process.is_running() {
            return None;
        }
        let dir = Path::new("/proc").join(process.pid().to_string());
        let status = fs::read_to_string(dir.join("status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let open = fs::read_dir(dir.join("fd")).ok()?.flatten();
        let targets: Vec<_> = open
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .collect();
        let is_socket = |target: &&std::path::PathBuf| {
            target
                .to_str()
                .is_some_and(|target| target.starts_with("socket:"))
        };
        Some(Self {
            rss_kib: number("VmRSS:")?,
            descriptors: u64::try_from(targets.len()).unwrap_or(u64::MAX),
            sockets: u64::try_from(targets.iter().filter(is_socket).count()).unwrap_or(u64::MAX),
            threads: number("Threads:")?,
        })
    }

    /// The resources that have grown too much since `before`. A process that has read large entries
    /// may use more memory.
    pub(super) fn grown_since(&self, before: &Self, has_read_large: bool) -> Vec<String> {
        let large = if has_read_large {
            LARGE_ALLOWANCE_KIB
        } else {
            0
        };
        [
            (
                "memory in KiB",
                before.rss_kib,
                self.rss_kib,
                RSS_ALLOWANCE_KIB + large,
            ),
            (
                "descriptors",
                before.descriptors,
                self.descriptors,
                COUNT_ALLOWANCE,
            ),
            ("sockets", before.sockets, self.sockets, COUNT_ALLOWANCE),
            ("threads", before.threads, self.threads, COUNT_ALLOWANCE),
        ]
        .into_iter()
        .filter(|(_, before, now, allowance)| {
            *now > before + before * GROWTH_PERCENT / 100 + allowance
        })
        .map(|(what, before, now, _)| format!("{what}: {before} before, {now} now"))
        .collect()
    }
}

/// The peak memory of each process in bytes, over all its restarts.
#[derive(Default)]
pub(super) struct Peaks(Mutex<HashMap<&'static str, u64>>);

impl Peaks {
    /// Looks at the peaks every `PEAK_INTERVAL`, until it is dropped.
    pub(super) async fn watch(&self, system: &System) {
        loop {
            self.look(system);
            sleep(PEAK_INTERVAL).await;
        }
    }

    /// The peaks up to now.
    pub(super) fn all(&self, system: &System) -> HashMap<&'static str, u64> {
        self.look(system);
        stack::locked(&self.0).clone()
    }

    fn look(&self, system: &System) {
        let mut peaks = stack::locked(&self.0);
        for name in PROCESSES {
            // The peak of a process that is down was recorded by an earlier look.
            let used = memory::peak(&system.process(name)).unwrap_or_default();
            let peak = peaks.entry(name).or_default();
            *peak = used.max(*peak);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_and_the_rest_is_not() {
        let before = Usage {
            rss_kib: 50_000,
            descriptors: 40,
            sockets: 30,
            threads: 6,
        };
        assert_eq!(before.grown_since(&before, false), [] as [&str; 0]);
        let leak = Usage {
            descriptors: 400,
            ..before
        };
        assert_eq!(
            leak.grown_since(&before, true),
            ["descriptors: 40 before, 400 now"]
        );
        assert_eq!(
            Usage::default().grown_since(&before, false),
            [] as [&str; 0]
        );
    }
}
