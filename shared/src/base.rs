//! What every layer above may use: settings, logging, waiting, ending.

pub mod backoff;
pub mod config;
pub mod digest;
pub mod health;
pub mod line_writer;
pub mod shutdown;
pub mod telemetry;
