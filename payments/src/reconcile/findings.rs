//! What a run has found so far.

use crate::audit::{Difference, Kind};

/// What was compared, and what differs.
#[derive(Debug)]
pub(super) struct Findings {
    pub(super) orders: u64,
    pub(super) products: u64,
    pub(super) movements: u64,
    /// The differences that are listed.
    pub(super) differences: Vec<Difference>,
    /// Differences beyond the limit, which are only counted.
    pub(super) more: u64,
    /// The most differences that are listed.
    limit: usize,
}

impl Findings {
    /// No findings yet, and a list of at most `limit` differences.
    pub(super) fn up_to(limit: usize) -> Self {
        let differences = Vec::new();
        Self {
            orders: 0,
            products: 0,
            movements: 0,
            differences,
            more: 0,
            limit,
        }
    }

    /// Adds a difference.
    pub(super) fn add(&mut self, difference: Difference) {
        if difference.kind == Kind::UnrecordedSale {
            // The stock is taken, and only its record is gone: emitting the event again would take
            // the stock a second time.
            self.differences.retain(|other| {
                other.kind != Kind::NoOutcome || other.order_id != difference.order_id
            });
        }
        if self.differences.len() < self.limit {
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
        other
            .differences
            .into_iter()
            .for_each(|difference| self.add(difference));
    }
}

#[cfg(test)]
mod tests {
    use shared::contract::id::OrderId;

    use super::*;

    fn difference(kind: Kind, order_id: OrderId) -> Difference {
        let (order_id, detail) = (Some(order_id), String::new());
        Difference {
            kind,
            order_id,
            product_id: None,
            movement: None,
            detail,
        }
    }

    #[test]
    fn differences_beyond_the_limit_are_only_counted() {
        const LIMIT: usize = 3;
        let mut findings = Findings::up_to(LIMIT);
        let mut elsewhere = Findings::up_to(LIMIT);
        for _ in 0..LIMIT {
            findings.add(difference(Kind::NoOutcome, OrderId::mint()));
            elsewhere.add(difference(Kind::Overdue, OrderId::mint()));
        }
        elsewhere.add(difference(Kind::Overdue, OrderId::mint()));
        findings.merge(elsewhere);
        assert_eq!(findings.differences.len(), LIMIT);
        assert_eq!(findings.more, LIMIT as u64 + 1);
    }

    #[test]
    fn an_order_whose_stock_is_taken_without_a_record_is_not_to_be_emitted_again() {
        let (sold, forgotten) = (OrderId::mint(), OrderId::mint());
        let mut findings = Findings::up_to(10);
        for id in [sold, forgotten] {
            findings.add(difference(Kind::NoOutcome, id));
        }
        findings.add(difference(Kind::UnrecordedSale, sold));
        let left = [
            difference(Kind::NoOutcome, forgotten),
            difference(Kind::UnrecordedSale, sold),
        ];
        assert_eq!(findings.differences, left);
    }
}
