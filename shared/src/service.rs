//! A process of a service: its command line, its settings, its tasks, and its checks.

pub mod checks;
pub mod cli;
pub mod process;
pub mod settings;
