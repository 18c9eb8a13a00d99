//! The lowest layer, for all others: settings, logs, health, waiting, and stopping a process.

pub mod backoff;
pub mod breaker;
pub mod config;
pub mod digest;
pub mod gate;
pub mod health;
pub mod line_writer;
pub mod pieces;
pub mod shutdown;
pub mod telemetry;
