//! Consumer groups: reading, acting, acknowledging, and what happens after a loss.

mod checkpoint;
pub mod consumer;
pub mod dead_letter;
pub mod delivery;
pub mod entry_state;
pub mod group;
pub mod loss;
pub mod replay;
pub mod retention;
mod settler;
