//! How often what happens, for each scale and each leg.

use crate::chaos::figures::Figure;

/// What is planned, for each leg: `durable`, `trimmed`, `lossy`.
pub(super) type Table = [(Figure, [u32; LEGS])];
pub(super) const LEGS: usize = 3;

pub(super) const SMOKE: &Table = &[
    (Figure::Orders, [150, 0, 0]),
    (Figure::ServiceKills, [3, 0, 0]),
    (Figure::Terminations, [1, 0, 0]),
    (Figure::Freezes, [1, 0, 0]),
    (Figure::StoreKills, [2, 0, 0]),
    (Figure::TcpFaults, [6, 0, 0]),
    (Figure::DroppedAnswers, [5, 0, 0]),
    (Figure::Poison, [4, 0, 0]),
    (Figure::Duplicates, [5, 0, 0]),
    (Figure::Retries, [60, 0, 0]),
    (Figure::CancelRaces, [40, 0, 0]),
    (Figure::LastUnitRaces, [1, 0, 0]),
    (Figure::Restocks, [3, 0, 0]),
    (Figure::Stocktakes, [1, 0, 0]),
    (Figure::Deletions, [1, 0, 0]),
];

pub(super) const QUICK: &Table = &[
    (Figure::Orders, [900, 300, 0]),
    (Figure::ServiceKills, [14, 8, 0]),
    (Figure::Terminations, [2, 0, 0]),
    (Figure::Freezes, [3, 0, 0]),
    (Figure::StoreKills, [6, 0, 0]),
    (Figure::TcpFaults, [40, 40, 0]),
    (Figure::DroppedAnswers, [50, 0, 0]),
    (Figure::Partitions, [1, 0, 0]),
    (Figure::FunctionFlushes, [1, 0, 0]),
    (Figure::GroupsDestroyed, [4, 0, 0]),
    (Figure::EarlyTrims, [0, 2, 0]),
    (Figure::Poison, [10, 0, 0]),
    (Figure::Duplicates, [60, 0, 0]),
    (Figure::Retries, [400, 100, 0]),
    (Figure::CancelRaces, [400, 50, 0]),
    (Figure::LastUnitRaces, [4, 0, 0]),
    (Figure::Restocks, [10, 0, 0]),
    (Figure::Stocktakes, [5, 0, 0]),
    (Figure::Deletions, [5, 0, 0]),
];

pub(super) const CI: &Table = &[
    (Figure::Orders, [2_800, 200, 1_000]),
    (Figure::ServiceKills, [45, 2, 13]),
    (Figure::Terminations, [4, 0, 2]),
    (Figure::Freezes, [8, 0, 2]),
    (Figure::StoreKills, [12, 0, 8]),
    (Figure::TailCuts, [0, 0, 8]),
    (Figure::TcpFaults, [160, 0, 40]),
    (Figure::DroppedAnswers, [200, 0, 50]),
    (Figure::Partitions, [2, 0, 0]),
    (Figure::ClockJumps, [3, 0, 0]),
    (Figure::OutOfMemory, [1, 0, 0]),
    (Figure::DiskFull, [1, 0, 0]),
    (Figure::FunctionFlushes, [1, 0, 0]),
    (Figure::GroupsDestroyed, [1, 0, 0]),
    (Figure::EarlyTrims, [0, 2, 0]),
    (Figure::Poison, [50, 0, 0]),
    (Figure::Duplicates, [80, 0, 20]),
    (Figure::Retries, [1_500, 50, 450]),
    (Figure::CancelRaces, [1_500, 50, 450]),
    (Figure::LastUnitRaces, [17, 0, 3]),
    (Figure::Restocks, [40, 0, 0]),
    (Figure::Stocktakes, [15, 0, 0]),
    (Figure::Deletions, [20, 0, 0]),
];

pub(super) const NIGHTLY: &Table = &[
    (Figure::Orders, [80_000, 2_000, 18_000]),
    (Figure::ServiceKills, [480, 20, 100]),
    (Figure::Terminations, [50, 0, 10]),
    (Figure::Freezes, [80, 5, 15]),
    (Figure::StoreKills, [75, 0, 75]),
    (Figure::TailCuts, [0, 0, 75]),
    (Figure::TcpFaults, [4_200, 0, 800]),
    (Figure::DroppedAnswers, [10_000, 100, 2_000]),
    (Figure::Partitions, [100, 0, 0]),
    (Figure::ClockJumps, [40, 0, 0]),
    (Figure::OutOfMemory, [10, 0, 0]),
    (Figure::DiskFull, [10, 0, 0]),
    (Figure::FunctionFlushes, [10, 0, 0]),
    (Figure::GroupsDestroyed, [10, 0, 0]),
    (Figure::EarlyTrims, [0, 10, 0]),
    (Figure::Poison, [500, 0, 0]),
    (Figure::Duplicates, [2_000, 50, 500]),
    (Figure::Retries, [16_000, 400, 3_600]),
    (Figure::CancelRaces, [16_000, 300, 3_700]),
    (Figure::LastUnitRaces, [450, 0, 50]),
    (Figure::Restocks, [400, 0, 0]),
    (Figure::Stocktakes, [150, 0, 0]),
    (Figure::Deletions, [200, 0, 0]),
];
