//! Fourteen mistakes that such systems are made with, and one that this one had. Each is switched into the model, which then
//! has to fail: a model that finds nothing wrong with them would prove nothing.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Duplicates are recognised by the id of their stream entry.
    DedupeByEntryId,
    /// `XACK` before the effect.
    AcknowledgeFirst,
    /// The record of an order and the taking of its stock are two calls.
    MarkThenTake,
    /// `XADD` with a `MAXLEN`.
    TrimByLength,
    /// An order is paid in one call and its event emitted in another.
    PayThenEmit,
    /// `ZREM` from the list of due orders, and then the rest.
    RemoveThenAdd,
    /// Cancellation writes what it decided from an earlier read.
    CancelWithoutCompare,
    /// A group is created at `$`.
    GroupAtTheEnd,
    /// Blocking reads share the connection of the other commands.
    SharedConnection,
    /// An idempotency key is looked up in one call and written in another.
    CheckThenSet,
    /// `WAIT` right after a blocking read.
    WaitWithoutPing,
    /// A store that lost everything answers that there is no such product.
    RefundAfterFlush,
    /// Sums of money are floats.
    MoneyAsFloat,
    /// A duplicate is skipped instead of answered again.
    SkipInsteadOfReplay,
    /// A replay of a stream that has lost everything counts as one.
    PassOverNothing,
}

pub(crate) const PLANTED: [Planted; 15] = [
    Planted::DedupeByEntryId,
    Planted::AcknowledgeFirst,
    Planted::MarkThenTake,
    Planted::TrimByLength,
    Planted::PayThenEmit,
    Planted::RemoveThenAdd,
    Planted::CancelWithoutCompare,
    Planted::GroupAtTheEnd,
    Planted::SharedConnection,
    Planted::CheckThenSet,
    Planted::WaitWithoutPing,
    Planted::RefundAfterFlush,
    Planted::MoneyAsFloat,
    Planted::SkipInsteadOfReplay,
    Planted::PassOverNothing,
];
