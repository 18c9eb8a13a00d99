//! A process of a service: its command line, its settings, its parts.

pub mod checks;
pub mod cli;
pub mod process;
pub mod settings;
