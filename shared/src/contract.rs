//! What both services agree on: ids, money, time, and the events on the wire.

pub(crate) mod decimal;
pub mod entry_id;
pub mod event;
pub mod id;
pub mod limits;
pub mod money;
pub mod time;
pub mod trace;
