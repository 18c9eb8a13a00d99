//! todos: todos over Kafka.
//!
//! `serve` reads todos from Postgres, and publishes each change as a Protobuf message. `consume`
//! applies the messages to Postgres, each once and in order.

pub mod config;

pub mod app;

pub mod domain;

pub mod message;

mod api;

pub mod store;

pub mod kafka;

mod worker;
