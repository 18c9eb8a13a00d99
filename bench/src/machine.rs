//! Measures the processor time and memory of each process, and the cores that other processes kept
//! busy.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};
use stack::number::float;

/// The number of fields of `/proc/PID/stat` between the name and the time in user mode.
const FIELDS_BEFORE_UTIME: usize = 11;
const KIB: f64 = 1_024.0;

/// The processes that are measured, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    members: Vec<(String, u32)>,
}

/// The processor times of a group at one moment.
#[derive(Debug)]
pub(crate) struct Mark {
    at: Instant,
    members: BTreeMap<String, f64>,
    own: f64,
    machine: f64,
}

/// The processor time that was used between two moments.
#[derive(Debug)]
pub(crate) struct Used {
    /// Seconds of processor time, by process.
    pub(crate) members: BTreeMap<String, f64>,
    /// Seconds of processor time of this program.
    pub(crate) own: f64,
    /// Seconds of wall time.
    pub(crate) wall: f64,
    /// The cores that other processes kept busy, without the group and this program.
    pub(crate) foreign: f64,
}

impl Group {
    /// A group of these processes.
    pub(crate) fn new(members: impl IntoIterator<Item = (String, u32)>) -> Self {
        Self {
            members: members.into_iter().collect(),
        }
    }

    /// Reads the processor times of all processes. An ended process counts as 0.
    pub(crate) fn mark(&self) -> Result<Mark> {
        let used = |(name, pid): &(String, u32)| {
            (
                name.clone(),
                processor_time(&pid.to_string()).unwrap_or_default(),
            )
        };
        Ok(Mark {
            members: self.members.iter().map(used).collect(),
            own: processor_time("self")?,
            machine: busy_time()?,
            at: Instant::now(),
        })
    }

    /// The processor time that was used since `mark`.
    pub(crate) fn since(&self, mark: &Mark) -> Result<Used> {
        let now = self.mark()?;
        let wall = now.at.duration_since(mark.at).as_secs_f64();
        let mut members = now.members;
        for (name, seconds) in &mut members {
            // The counter of a process that was restarted in between began at 0.
            let before = mark.members.get(name).filter(|before| **before <= *seconds);
            *seconds -= before.copied().unwrap_or_default();
        }
        let own = now.own - mark.own;
        let ours = members.values().sum::<f64>() + own;
        let foreign = (now.machine - mark.machine - ours).max(0.0) / wall.max(1e-9);
        Ok(Used {
            members,
            own,
            wall,
            foreign,
        })
    }

    /// Does `work`, and measures the processor time that is used meanwhile.
    pub(crate) fn measure<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(T, Used)> {
        let mark = self.mark()?;
        let done = work()?;
        Ok((done, self.since(&mark)?))
    }

    /// Resident memory by process, in MiB.
    pub(crate) fn memory(&self) -> BTreeMap<String, f64> {
        let of = |(name, pid): &(String, u32)| (name.clone(), memory(*pid).unwrap_or_default());
        self.members.iter().map(of).collect()
    }
}

impl Used {
    /// Seconds of processor time of all processes.
    pub(crate) fn total(&self) -> f64 {
        self.members.values().sum()
    }
}

/// Resident memory of a process in MiB.
pub(crate) fn memory(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(float(kib) / KIB)
}

fn processor_time(pid: &str) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let ticks = ticks_of(&stat).context("an unknown form of /proc/PID/stat")?;
    Ok(float(ticks) / ticks_per_second())
}

/// The time in user and system mode. The name of the program may have any text, also parentheses.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(FIELDS_BEFORE_UTIME);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// The seconds in which cores were busy with any process.
fn busy_time() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let ticks = busy_ticks_of(&stat).context("an unknown form of /proc/stat")?;
    Ok(float(ticks) / ticks_per_second())
}

/// All ticks except idle ones and those that waited for disks. User time includes guests already.
fn busy_ticks_of(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    let [
        user,
        nice,
        system,
        _idle,
        _waiting,
        interrupts,
        soft,
        steal,
        ..,
    ] = fields[..]
    else {
        return None;
    };
    Some(user + nice + system + interrupts + soft + steal)
}

fn ticks_per_second() -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks
        .and_then(|ticks| u32::try_from(ticks).ok())
        .map_or(100.0, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(ticks_of(stat), Some(300));
        assert_eq!(ticks_of("7 (a) S 1"), None);
    }

    #[test]
    fn idle_cores_and_disks_are_not_busy() {
        let stat = "cpu  100 1 20 9999 8888 3 4 5 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(busy_ticks_of(stat), Some(133));
    }

    #[test]
    fn this_process_uses_time_and_memory() {
        let group = Group::new([("me".to_owned(), std::process::id())]);
        let ((), used) = group.measure(|| Ok(())).unwrap();
        assert!(used.total() >= 0.0 && used.foreign >= 0.0);
        assert!(group.memory()["me"] > 1.0);
    }
}
