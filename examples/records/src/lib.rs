//! records: counters and other numbers, each under the id of a user and a key.
//!
//! Postgres holds the records. Redis is a cache in front of it, and may be lost at any time.

pub mod config;

pub mod app;

pub mod domain;

pub mod api;

pub mod store;
