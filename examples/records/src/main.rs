//! A counter and record store.

fn main() {}
