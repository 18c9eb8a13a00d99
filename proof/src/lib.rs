//! The proof that the promise holds. It breaks systems that [`stack`] has started, and compares what
//! they did with independent statements of what they should do.
//!
//! - [`chaos`] breaks a system in every way under load, and then asks whether the promise held.
//! - [`links`] puts a [`proxy`] in front of everything that a process connects to; [`supervisor`] starts
//!   processes again that have ended; [`shim`] moves clocks and fills disks; [`aof`] cuts
//!   append-only files and restores backups.
//! - [`twin`] plays a Redis Function against its statement in Rust; [`atomicity`] gives it keys of wrong
//!   types and odd arguments; [`cut`] ends the append-only file in the middle of its writes.
//!   [`invocation`] is one call of a function, [`order_line`] the stored form of an order.
//!
//! The model of the protocol and the tests of the whole system stand in `tests/`, bugs that chaos has to
//! find in `planted/`.

pub mod chaos;

pub mod aof;
pub mod links;
pub mod proxy;
pub mod shim;
pub mod supervisor;

pub mod atomicity;
pub mod cut;
pub mod invocation;
pub mod order_line;
pub mod twin;
