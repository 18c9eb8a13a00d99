//! The tests of `items` at its boundary, on real servers.
