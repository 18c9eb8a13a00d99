//! The parts of a run, as data: their settings, their durations, and how often each thing happens.

use std::time::Duration;

use super::figures::{Figure, Figures};
use tables::{CI, NIGHTLY, QUICK, SMOKE, Table};

mod tables;

/// The size of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// About 15 s: shows that the harness itself works.
    Smoke,
    /// At most a minute: enough to fail on a planted bug. The run ends with the first profile that
    /// fails.
    Quick,
    /// About three minutes: the scale without a flag.
    Ci,
    /// At most 18 minutes.
    Nightly,
}

/// The durability of the stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// As shipped: a write is on disk before it is answered.
    Always,
    /// A crash may lose the writes of the last seconds.
    EverySecond,
}

/// One part of a run, on a system of its own.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) name: &'static str,
    pub(super) durability: Durability,
    /// Whether the operator destroys data, so that `reconcile` has to repair the stores.
    pub(super) needs_reconcile: bool,
    /// The time of load before the first fault. The resources of the processes are measured at its
    /// end.
    pub(super) warm_up: Duration,
    /// The time in which faults are injected.
    pub(super) window: Duration,
    pub(super) planned: Figures,
    /// The number of answers of a store, of 1,000, that are dropped after the store executed the
    /// command. The proxy then closes the connection, which loses all other requests on it: when 7
    /// of 100 answers were dropped, hardly any order succeeded.
    pub(super) dropped_per_mille: u32,
}

/// The settings that the lossy profile gives to its stores.
pub(super) const EVERY_SECOND: (&str, &str) = ("appendfsync", "everysec");

impl Scale {
    /// The name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Ci => "ci",
            Self::Nightly => "nightly",
        }
    }

    /// The profiles of a run of this size.
    pub(super) fn profiles(self) -> Vec<Profile> {
        let (table, warm_up, seconds, dropped_per_mille) = match self {
            Self::Smoke => (SMOKE, 2, [8, 0, 0], 20),
            Self::Quick => (QUICK, 2, [20, 10, 0], 20),
            Self::Ci => (CI, 4, [75, 8, 30], 20),
            Self::Nightly => (NIGHTLY, 10, [600, 30, 180], 40),
        };
        let profile = |number: usize, name, durability, needs_reconcile| Profile {
            name,
            durability,
            needs_reconcile,
            warm_up: Duration::from_secs(warm_up),
            window: Duration::from_secs(seconds[number]),
            planned: column(table, number),
            dropped_per_mille,
        };
        let profiles = [
            profile(0, "durable", Durability::Always, false),
            profile(1, "trimmed", Durability::Always, true),
            profile(2, "lossy", Durability::EverySecond, true),
        ];
        let mut profiles: Vec<Profile> = profiles
            .into_iter()
            .filter(|profile| profile.planned.get(Figure::Orders) > 0)
            .collect();
        // A quick run ends with the first profile that fails, and the second one fails sooner.
        if self == Self::Quick {
            profiles.reverse();
        }
        profiles
    }
}

fn column(table: &Table, number: usize) -> Figures {
    table
        .iter()
        .fold(Figures::default(), |all, (figure, planned)| {
            all.with(*figure, planned[number])
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(scale: Scale, figure: Figure) -> u32 {
        scale
            .profiles()
            .iter()
            .map(|profile| profile.planned.get(figure))
            .sum()
    }

    #[test]
    fn no_figure_is_lowered_by_accident() {
        for (figure, ci, nightly) in [
            (Figure::Orders, 4_000, 100_000),
            (Figure::ServiceKills, 60, 600),
            (Figure::Terminations, 6, 60),
            (Figure::Freezes, 10, 100),
            (Figure::StoreKills, 20, 150),
            (Figure::TailCuts, 8, 75),
            (Figure::TcpFaults, 200, 5_000),
            (Figure::Partitions, 2, 100),
            (Figure::ClockJumps, 3, 40),
            (Figure::LongJumps, 4, 20),
            (Figure::OutOfMemory, 1, 10),
            (Figure::DiskFull, 1, 10),
            (Figure::StoreExits, 2, 20),
            (Figure::UnreadLogs, 8, 80),
            (Figure::LargeEntries, 200, 400),
            (Figure::Floods, 4, 40),
            (Figure::FunctionFlushes, 1, 10),
            (Figure::GroupsDestroyed, 1, 10),
            (Figure::EarlyTrims, 2, 10),
            (Figure::Poison, 50, 500),
            (Figure::Retries, 2_000, 20_000),
            (Figure::CancelRaces, 2_000, 20_000),
            (Figure::LastUnitRaces, 20, 500),
        ] {
            assert_eq!(planned(Scale::Ci, figure), ci, "{figure:?}");
            assert_eq!(planned(Scale::Nightly, figure), nightly, "{figure:?}");
        }
    }

    #[test]
    fn a_run_lasts_no_longer_than_it_may() {
        let lasts = |scale: Scale| -> u64 {
            scale
                .profiles()
                .iter()
                .map(|profile| (profile.warm_up + profile.window).as_secs())
                .sum()
        };
        assert!(
            lasts(Scale::Ci) <= 130,
            "the rest of three minutes is for starting and draining"
        );
        assert!(lasts(Scale::Nightly) <= 900, "the same for 18");
    }
}
