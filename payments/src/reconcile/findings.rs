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

#[cfg(test)]
mod tests {
    use shared::id::OrderId;

    use super::*;

    fn difference(kind: Kind, order_id: OrderId) -> Difference {
        Difference { kind, order_id: Some(order_id), product_id: None, detail: String::new() }
    }

    #[test]
    fn differences_beyond_the_limit_are_only_counted() {
        let mut findings = Findings::default();
        let mut elsewhere = Findings::default();
        for _ in 0..MAX_DIFFERENCES {
            findings.add(difference(Kind::NoOutcome, OrderId::mint()));
            elsewhere.add(difference(Kind::Overdue, OrderId::mint()));
        }
        elsewhere.add(difference(Kind::Overdue, OrderId::mint()));
        findings.merge(elsewhere);
        assert_eq!(findings.differences.len(), MAX_DIFFERENCES);
        assert_eq!(findings.more, MAX_DIFFERENCES as u64 + 1);
    }

    #[test]
    fn an_order_whose_stock_is_taken_without_a_record_is_not_to_be_emitted_again() {
        let (sold, forgotten) = (OrderId::mint(), OrderId::mint());
        let mut findings = Findings::default();
        for id in [sold, forgotten] {
            findings.add(difference(Kind::NoOutcome, id));
        }
        findings.add(difference(Kind::UnrecordedSale, sold));
        let left = [difference(Kind::NoOutcome, forgotten), difference(Kind::UnrecordedSale, sold)];
        assert_eq!(findings.differences, left);
    }
}
