//! inventory: owns products and their stock.
//!
//! It serves products over HTTP, takes the stock of orders that payments reports as paid, and asks
//! payments to refund orders that it cannot fulfil. No other service writes to its store.

pub mod config;

pub mod app;

pub mod domain;

pub mod api;

pub mod store;

mod keys;

pub mod worker;
