//! The tests of `records` at its boundary, on real servers.
