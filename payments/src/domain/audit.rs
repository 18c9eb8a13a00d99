//! What an audit compares: an order, the record that inventory keeps of it, and the account.

use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;
use shared::contract::time::Timestamp;

use super::Order;

/// The record of an order at inventory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRecord {
    /// Its stock is taken, by this movement.
    Applied(EntryId),
    /// It is to be refunded.
    Rejected(RefundReason),
    /// Its stock was taken and given back.
    Released,
    /// It has no record, and is older than the records that inventory keeps.
    Forgotten,
    /// It has no record.
    Unknown,
}

/// An order as an audit finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there, and whole.
    Order(Box<Order>),
    /// Its record cannot be read, and why.
    Damaged(String),
    /// There is no such order.
    Missing,
}

/// The sums that were charged and refunded, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// When the sums were read.
    pub at: Timestamp,
    /// The totals of all orders that were ever paid.
    pub charged: u64,
    /// The totals of the orders that were refunded.
    pub refunded: u64,
}
