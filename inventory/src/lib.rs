//! inventory: owns products and their stock.
//!
//! It serves products over HTTP, takes the stock of orders that payments reports as paid, and asks
//! payments to refund orders that it cannot fulfil. payments only reads the stream of refunds in
//! the store of inventory, as a consumer group.

pub mod config;

pub mod app;

pub mod domain;

pub mod api;

pub mod store;

mod keys;

pub mod worker;
