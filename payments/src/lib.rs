//! payments: owns orders.
//!
//! It asks inventory for a price, accepts orders over HTTP, pays them after their delay, tells
//! inventory, and refunds what inventory rejects. No other service writes to its store.

pub mod config;

pub mod app;

pub mod domain;

pub mod audit;

pub mod api;
mod breaker;
pub mod finality;
pub mod inventory_client;
pub mod stock_acks;

pub mod store;

mod keys;

pub mod worker;

pub mod reconcile;
