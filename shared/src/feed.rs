//! What changed in the own store, for whoever watches.

/// The stream of changes, before any partition tag.
pub const CHANGES: &str = "changes";
