//! items: a key-value store with asynchronous writes.
//!
//! The API queues each write in a Redis Stream and answers with a ticket. Worker processes apply the
//! writes. One Redis store has the queue and the items, so a write and its ticket are one step.

pub mod config;

pub mod app;

pub mod domain;

pub mod api;

pub mod waiting;

pub mod store;

mod keys;

pub mod worker;
