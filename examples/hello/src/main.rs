//! One producer and one consumer of a stream.

fn main() {}
