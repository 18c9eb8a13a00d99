//! The tests of `harness` at its boundary, on real servers.
