//! payments: owns orders.
//!
//! It accepts orders over HTTP at the price that inventory tells, and pays each order after its
//! delay. It reports paid orders to inventory, and refunds orders that inventory rejects or
//! releases. inventory only reads the stream of paid orders in the store of payments, as a
//! consumer group.

pub mod config;

pub mod app;

pub mod domain;

pub mod audit;

pub mod api;
pub mod finality;
pub mod inventory_client;
pub mod stock_acks;

pub mod store;

mod keys;

pub mod worker;

pub mod reconcile;
