//! A key-value store with asynchronous writes.

fn main() {}
