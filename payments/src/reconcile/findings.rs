//! What a run has found so far.

use super::MAX_DIFFERENCES;
use crate::audit::{Difference, Kind};

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) orders: u64,
    pub(super) products: u64,
    pub(super) movements: u64,
    /// The first [`MAX_DIFFERENCES`] of them.
    pub(super) differences: Vec<Difference>,
    /// How many more there are.
    pub(super) more: u64,
}

impl Findings {
    /// Adds a difference.
    pub(super) fn add(&mut self, difference: Difference) {
        if difference.kind == Kind::UnrecordedSale {
            // The stock is taken, and only its record is gone: emitting the event again would take
            // the stock a second time.
            self.differences.retain(|other| {
                other.kind != Kind::NoOutcome || other.order_id != difference.order_id
            });
        }
        if self.differences.len() < MAX_DIFFERENCES {
            self.differences.push(difference);
        } else {
            self.more += 1;
        }
    }

    /// Adds all that was found elsewhere.
    pub(super) fn merge(&mut self, other: Self) {
        self.orders += other.orders;
        self.products += other.products;
        self.movements += other.movements;
        self.more += other.more;
        other.differences.into_iter().for_each(|difference| self.add(difference));
    }
}
