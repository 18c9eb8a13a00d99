//! The values that histories are drawn from.

use inventory::domain::MAX_STOCK;

use super::request::HOUR_MS;
use proof::twin::Rng;

/// Names of products: some are equal without regard to case, some have spaces, and some are words
/// that Redis uses.
pub(super) const NAMES: [&str; 8] = [
    "Tea",
    "TEA",
    "tea",
    "Green tea",
    "Éclair",
    "message",
    "subscribe",
    "0",
];
pub(super) const PRICES: [&str; 5] = ["0.00", "0.01", "19.90", "19.91", "9999999999.99"];
pub(super) const NOTES: [&str; 3] = ["found two behind the place", "note", "-"];
pub(super) const STOCKS: [u32; 8] = [0, 1, 2, 5, 20, MAX_STOCK - 1, MAX_STOCK, MAX_STOCK + 1];
pub(super) const WANTED: [u32; 8] = [0, 1, 1, 2, 3, MAX_STOCK, MAX_STOCK + 1, u32::MAX];
/// Few products, so that requests meet.
pub(super) const PRODUCTS: usize = 5;
pub(super) const MOST_IN_A_BATCH: usize = 8;

/// How long orders are recorded, and when they were placed: hours from now, mostly in the past. All
/// are far from every limit, because the twin does not know the clock to the millisecond.
pub(super) const KEPT: [u64; 2] = [2 * HOUR_MS, 30 * 24 * HOUR_MS];
pub(super) const PLACED: [i64; 12] = [0, 0, 0, 0, -1, -10, -202, -204, -960, 20, 40, 70];
/// The first hours that a sweep keeps, far from every limit as well. A sweep up to the last one
/// would be refused.
pub(super) const KEPT_FROM: [i64; 5] = [-2_000, -900, -203, -200, -2];

pub(super) fn one<T: Clone>(random: &mut Rng, items: &[T]) -> T {
    items[random.usize(..items.len())].clone()
}
