//! Consumer groups: reading, acting, acknowledging, and what happens after a loss.
//!
//! `consumer` is the loop. It acts on entries and acknowledges them through `settler`. In the own
//! store it keeps `attempts`, the counts of entries that may have killed a process, and `checkpoint`,
//! up to where it has acted on the stream. `replay` acts on the recent past again after a loss.

mod attempts;
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
mod stream_state;
