//! Counts what a proxy has done, for reports: a fault that never happened proves nothing.

/// The counts of a proxy since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were carried.
    pub connections: u64,
    /// New connections that were closed at once.
    pub refused: u64,
    /// Connections that were closed in the middle, by a cut, a trap or a dropped answer.
    pub cut: u64,
    /// Answers that were dropped at random.
    pub dropped_answers: u64,
    /// Traps that have sprung.
    pub sprung: u64,
    /// Requests that were seen.
    pub requests: u64,
    /// Chunks that were held back by a block.
    pub blocked: u64,
    /// Chunks that were passed on late.
    pub delayed: u64,
    /// Chunks that were passed on in pieces.
    pub split: u64,
    /// Bytes passed on to the server.
    pub bytes_to_server: u64,
    /// Bytes passed on to the client.
    pub bytes_to_client: u64,
}
