//! Starts an example with the servers that it needs.
