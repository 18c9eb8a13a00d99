//! Finds the sales to which stock that was given back belongs.

use std::collections::HashMap;

use shared::contract::entry_id::EntryId;
use shared::contract::id::OrderId;

use super::GivenBack;
use crate::domain::OrderRecord;

/// The releases in the ledger of one product, followed from the newest movement to the oldest.
#[derive(Debug, Default)]
pub struct Returns(HashMap<OrderId, Released>);

/// The releases of one order.
#[derive(Debug, Default)]
struct Released {
    /// Releases whose sale is older than the movements that were read so far.
    open: usize,
}

impl Returns {
    /// Takes a release: the next older movement.
    pub fn push(&mut self, order: OrderId) {
        self.0.entry(order).or_default().open += 1;
    }

    /// What was given back after this sale, which is the next older movement. The sale that the
    /// record of the order names keeps its stock.
    pub fn of(&mut self, order: OrderId, movement: EntryId, outcome: OrderRecord) -> GivenBack {
        match self.0.get_mut(&order) {
            None => GivenBack::Nothing,
            Some(released) if released.open > 0 && outcome != OrderRecord::Applied(movement) => {
                released.open -= 1;
                GivenBack::ThisSale
            }
            Some(_) => GivenBack::OtherSale,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_belongs_to_the_newest_sale_that_the_record_does_not_name() {
        let (order, other) = (OrderId::mint(), OrderId::mint());
        let [first, second, third] = [1, 2, 3].map(EntryId::first_of);
        let mut returns = Returns::default();
        assert_eq!(
            returns.of(order, third, OrderRecord::Released),
            GivenBack::Nothing
        );
        returns.push(order);
        let outcome = OrderRecord::Applied(third);
        assert_eq!(returns.of(order, third, outcome), GivenBack::OtherSale);
        assert_eq!(returns.of(other, second, outcome), GivenBack::Nothing);
        assert_eq!(returns.of(order, second, outcome), GivenBack::ThisSale);
        assert_eq!(returns.of(order, first, outcome), GivenBack::OtherSale);
    }
}
