//! The tests of `hello` at its boundary, on real servers.
