//! Consumer groups: reading, acting, acknowledging, and what happens after a loss.
//!
//! `consumer` is the loop. It acts on entries and acknowledges them through `settler`. Two keys lie
//! in the consumer's own store: `attempts`, the counts of entries that may have killed a process,
//! and `checkpoint`, the entry up to which the consumer has acted on the stream. After a loss
//! `replay` acts on the recent past again.

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
