//! Todos over Kafka.

fn main() {}
