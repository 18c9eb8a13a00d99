//! The two directions in which events go.

use crate::store::Side;

/// Which stream a consumer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// inventory's: reads `order_completed` and writes to the store of inventory.
    Orders,
    /// payments': reads `refund_order` and writes to the store of payments.
    Refunds,
}

impl Role {
    /// Where the stream is.
    pub(crate) fn stream_side(self) -> Side {
        match self {
            Self::Orders => Side::Payments,
            Self::Refunds => Side::Inventory,
        }
    }

    /// Where the effects go.
    pub(crate) fn own_side(self) -> Side {
        match self {
            Self::Orders => Side::Inventory,
            Self::Refunds => Side::Payments,
        }
    }
}
