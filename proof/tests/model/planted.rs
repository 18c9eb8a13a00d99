//! Fourteen usual mistakes of such systems, and one of this system. With each of them switched on,
//! the model has to fail. Otherwise its success would prove nothing.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Duplicates are recognised by the id of their entry.
    DedupeByEntryId,
    /// `XACK` before the effect.
    AcknowledgeFirst,
    /// Recording an order and taking its stock are two calls.
    MarkThenTake,
    /// `XADD` with a `MAXLEN`.
    TrimByLength,
    /// An order is paid in one call and its event emitted in another.
    PayThenEmit,
    /// `ZREM` from the list of due orders is one call, and paying is another.
    RemoveThenAdd,
    /// A cancellation decides by an earlier read, and writes without comparing.
    CancelWithoutCompare,
    /// A group is created at `$`.
    GroupAtTheEnd,
    /// Blocking reads use the connection of the other commands.
    SharedConnection,
    /// An idempotency key is looked up in one call and written in another.
    CheckThenSet,
    /// `WAIT` directly after a blocking read.
    WaitWithoutPing,
    /// A store that has lost its data answers that there is no such product.
    RefundAfterFlush,
    /// Sums of money are floats.
    MoneyAsFloat,
    /// A duplicate is skipped. Its answer is not repeated.
    SkipInsteadOfReplay,
    /// The replay of a stream that has lost its data counts as finished.
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
