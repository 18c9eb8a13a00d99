//! Consumer groups: reading, acting, acknowledging, and what happens after a loss.

pub mod consumer;
mod cursor;
pub mod dead_letter;
pub mod delivery;
pub mod group;
pub mod loss;
pub mod retention;
pub mod rewind;
mod settle;
pub mod standing;
