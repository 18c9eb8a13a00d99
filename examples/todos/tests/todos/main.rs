//! The tests of `todos` at its boundary, on real servers.
