//! The faults and their times, drawn from the seed before anything runs.

use std::time::Duration;

use fastrand::Rng;
use stack::process::Reading;
use stack::redis::Owner;

use super::figures::{Figure, Figures};
use super::profiles::Profile;
use crate::aof::Cut;

pub(super) use kind::{Crowd, FaultKind, Link, Poison, Tcp};

mod kind;

/// The processes that run: two of each service and consumer.
pub(super) const PROCESSES: [&str; 8] = [
    "inventory serve",
    "inventory serve 2",
    "inventory consume",
    "inventory consume 2",
    "payments serve",
    "payments serve 2",
    "payments consume",
    "payments consume 2",
];
/// The processes that serve clients.
const SERVERS: [&str; 4] = [
    "inventory serve",
    "inventory serve 2",
    "payments serve",
    "payments serve 2",
];
pub(super) const STORES: [Owner; 2] = [Owner::Inventory, Owner::Payments];

/// A fault with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The time since the load began.
    pub(super) at: Duration,
    pub(super) what: FaultKind,
}

const SHORTEST_FREEZE_MS: u64 = 300;
const LONGEST_FREEZE_MS: u64 = 2_500;
const SHORTEST_TCP_FAULT_MS: u64 = 20;
const LONGEST_TCP_FAULT_MS: u64 = 800;
/// The share of the window in which each link has a TCP fault, and the share that all partitions
/// take. With larger shares the system would do too little work.
const HARMED_SHARE: f64 = 0.04;
const PARTED_SHARE: f64 = 0.06;
/// A tail cut removes this much of the newest data: either whole seconds, fewer than `everysec` may
/// lose, or a number of bytes, which tears a command.
const CUT_SECONDS: std::ops::RangeInclusive<u64> = 1..=2;
const CUT_BYTES: std::ops::RangeInclusive<u64> = 1..=2_000;
/// The longest time for which a log is not read, and the longest pause between two lines that are
/// read slowly.
const LONGEST_UNREAD_MS: u64 = 3_000;
const SLOWEST_LINE_MS: u64 = 50;
/// The longest time of a flood. Clients may have to wait that long for an answer.
const LONGEST_FLOOD_MS: u64 = 2_000;
/// The jumps of a clock in milliseconds. A jump back delays due orders by its length, so it is
/// short. A jump forward may be an hour.
const JUMPS_MS: [i64; 4] = [30_000, -1_500, 3_600_000, -500];

/// The long jumps in days: all longer than `DEDUPE_RETENTION`, which is 30 days.
const LONG_JUMPS_DAYS: [i64; 4] = [31, -31, 90, -400];

/// Draws the faults of a profile.
pub(super) fn faults(profile: &Profile, rng: &mut Rng) -> Vec<Fault> {
    let mut plan = Vec::new();
    for figure in Figure::ALL {
        let times = own_times(&profile.planned, figure);
        for number in 0..times {
            if let Some(what) = draw(profile, figure, number, rng) {
                let place = (f64::from(number) + rng.f64()) / f64::from(times);
                plan.push(Fault {
                    at: moment(profile, figure, place),
                    what,
                });
            }
        }
    }
    plan.sort_by_key(|fault| fault.at);
    plan
}

/// The number of faults to draw for a figure. A tail cut also counts as a kill of its store, so
/// fewer kills are drawn.
fn own_times(planned: &Figures, figure: Figure) -> u32 {
    let times = planned.get(figure);
    if figure == Figure::StoreKills {
        times - planned.get(Figure::TailCuts)
    } else {
        times
    }
}

/// The time of a fault. Faults of a kind are spread evenly over their part of the window.
///
/// After a restart of a store its consumers replay the recent past. A group that is created again
/// gets every entry again. Both would repair what a faulty consumer lost before, and hide the bug.
/// So the stores are killed first, then the groups are destroyed, and the rest of the window has
/// neither fault.
fn moment(profile: &Profile, figure: Figure, place: f64) -> Duration {
    let (from, to) = match figure {
        Figure::StoreKills
        | Figure::TailCuts
        | Figure::DiskFull
        | Figure::StoreExits
        | Figure::LongJumps => (0.0, 0.6),
        Figure::GroupsDestroyed => (0.6, 0.75),
        // A duplicate is chosen among the newest entries. Later in the window those are large.
        Figure::Duplicates => (0.0, 0.8),
        Figure::LargeEntries => (0.85, 0.95),
        // The load continues until after the last fault.
        _ => (0.0, 0.95),
    };
    profile.warm_up + profile.window.mul_f64(from + place * (to - from))
}

/// The length of one fault, if all faults of its kind share the time `together`.
fn average(together: Duration, profile: &Profile, figure: Figure) -> Duration {
    together / profile.planned.get(figure).max(1)
}

fn draw(profile: &Profile, figure: Figure, number: u32, rng: &mut Rng) -> Option<FaultKind> {
    let process = PROCESSES[rng.usize(..PROCESSES.len())];
    // The stores alternate, so that rare faults happen to both.
    let store = STORES[number as usize % STORES.len()];
    Some(match figure {
        Figure::ServiceKills => FaultKind::Kill(process),
        Figure::Terminations => FaultKind::Terminate(process),
        Figure::Freezes => {
            FaultKind::Freeze(process, ms(rng.u64(SHORTEST_FREEZE_MS..=LONGEST_FREEZE_MS)))
        }
        Figure::StoreKills => FaultKind::KillStore(store),
        Figure::TailCuts => FaultKind::CutTail(store, cut(rng)),
        Figure::TcpFaults => tcp_fault(profile, figure, rng)?,
        Figure::Partitions => {
            let mut stop: Vec<Link> = links();
            rng.shuffle(&mut stop);
            let mut release = stop.clone();
            rng.shuffle(&mut release);
            let steps = u32::try_from(stop.len() + release.len()).ok()?;
            let each = average(profile.window.mul_f64(PARTED_SHARE), profile, figure) / steps;
            FaultKind::Partition {
                stop,
                release,
                pause: each.mul_f64(0.5 + rng.f64()),
            }
        }
        Figure::ClockJumps => {
            FaultKind::JumpClock(store, JUMPS_MS[number as usize % JUMPS_MS.len()])
        }
        Figure::LongJumps => {
            let turn = number as usize / STORES.len();
            FaultKind::LongJump(store, LONG_JUMPS_DAYS[turn % LONG_JUMPS_DAYS.len()])
        }
        Figure::OutOfMemory => FaultKind::OutOfMemory(store, ms(rng.u64(300..=1_000))),
        Figure::DiskFull => FaultKind::DiskFull(store, ms(rng.u64(300..=1_000))),
        Figure::StoreExits => FaultKind::StoreExit(store, ms(rng.u64(300..=1_000))),
        Figure::UnreadLogs => {
            let pause = ms(rng.u64(1..=SLOWEST_LINE_MS));
            let reading = if rng.bool() {
                Reading::Never
            } else {
                Reading::Slowly(pause)
            };
            FaultKind::UnreadLog(process, reading, ms(rng.u64(500..=LONGEST_UNREAD_MS)))
        }
        Figure::Floods => {
            let process = SERVERS[rng.usize(..SERVERS.len())];
            let crowd = if number.is_multiple_of(2) {
                Crowd::Idle
            } else {
                Crowd::Unreading
            };
            FaultKind::Flood(process, crowd, ms(rng.u64(500..=LONGEST_FLOOD_MS)))
        }
        Figure::LargeEntries => FaultKind::LargeEntry(store),
        Figure::FunctionFlushes => FaultKind::FlushFunctions(store),
        Figure::GroupsDestroyed => FaultKind::DestroyGroup(store),
        // The stream of payments comes first, because it always has entries.
        Figure::EarlyTrims => FaultKind::TrimUnread(STORES[(number as usize + 1) % STORES.len()]),
        Figure::Poison => FaultKind::Poison(store, poison(rng)),
        Figure::Duplicates => FaultKind::Duplicate(store, rng.u64(..)),
        _ => return None,
    })
}

fn tcp_fault(profile: &Profile, figure: Figure, rng: &mut Rng) -> Option<FaultKind> {
    let tcp = match rng.u8(..4) {
        0 => Tcp::Cut,
        1 => Tcp::HalfOpen,
        2 => Tcp::Slow(ms(rng.u64(1..=60))),
        _ => Tcp::Split(rng.usize(1..=7)),
    };
    let each = profile.window.mul_f64(HARMED_SHARE) * u32::try_from(links().len()).ok()?;
    let longest = average(each, profile, figure) * 2;
    let longest = longest.clamp(ms(2 * SHORTEST_TCP_FAULT_MS), ms(LONGEST_TCP_FAULT_MS));
    let time = longest.mul_f64(rng.f64()).max(ms(SHORTEST_TCP_FAULT_MS));
    Some(FaultKind::Tcp(link(rng), tcp, time))
}

fn cut(rng: &mut Rng) -> Cut {
    if rng.bool() {
        Cut::Seconds(rng.u64(CUT_SECONDS))
    } else {
        Cut::Bytes(rng.u64(CUT_BYTES))
    }
}

fn poison(rng: &mut Rng) -> Poison {
    match rng.u8(..4) {
        0 => Poison::Rubbish,
        1 => Poison::UnknownType,
        2 => Poison::NoOrder,
        _ => Poison::BadNumber,
    }
}

/// Every link of the system.
pub(super) fn links() -> Vec<Link> {
    let to_stores = PROCESSES.iter().flat_map(|process| {
        // `inventory serve` connects to payments' store only when it opens its own store.
        STORES.map(|store| Link::Owner(process, store))
    });
    let to_inventory = PROCESSES
        .iter()
        .filter(|name| name.starts_with("payments serve"));
    to_stores
        .chain(to_inventory.map(|process| Link::Inventory(process)))
        .collect()
}

fn link(rng: &mut Rng) -> Link {
    let links = links();
    links[rng.usize(..links.len())]
}

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::profiles::Scale;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_another_one_others() {
        let profile = &Scale::Ci.profiles()[0];
        let drawn = |seed| faults(profile, &mut Rng::with_seed(seed));
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn every_fault_lies_between_the_warm_up_and_the_end() {
        for profile in Scale::Nightly.profiles() {
            let plan = faults(&profile, &mut Rng::with_seed(1));
            let end = profile.warm_up + profile.window;
            assert!(
                plan.iter()
                    .all(|fault| fault.at >= profile.warm_up && fault.at <= end)
            );
            let kills = plan
                .iter()
                .filter(|fault| matches!(fault.what, FaultKind::Kill(_)))
                .count();
            assert_eq!(kills, profile.planned.get(Figure::ServiceKills) as usize);
        }
    }
}
