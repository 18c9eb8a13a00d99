//! The two directions of events.

use crate::store::Side;

/// Which stream a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The consumer of inventory: reads `order_completed`, and writes to the store of inventory.
    Orders,
    /// The consumer of payments: reads `refund_order`, and writes to the store of payments.
    Refunds,
}

impl Role {
    /// The store that has the stream.
    pub(crate) fn stream_side(self) -> Side {
        match self {
            Self::Orders => Side::Payments,
            Self::Refunds => Side::Inventory,
        }
    }

    /// The store that gets the effects.
    pub(crate) fn own_side(self) -> Side {
        match self {
            Self::Orders => Side::Inventory,
            Self::Refunds => Side::Payments,
        }
    }
}
