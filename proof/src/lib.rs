//! The proof that the promise holds. It breaks systems that [`stack`] has started, and compares
//! their behaviour with rules that are written independently of the services.
//!
//! - [`chaos`] breaks a system in every way under load, and then checks whether the promise held.
//! - [`links`] puts a [`proxy`] on every connection of a process. [`supervisor`] restarts ended
//!   processes. [`shim`] moves clocks and fills disks. [`aof`] cuts append-only files and restores
//!   backups.
//! - [`twin`] compares a Redis Function with the same rule in Rust. [`atomicity`] gives a function
//!   keys of wrong types and odd arguments. [`cut`] ends the append-only file in the middle of a
//!   function's writes. [`functions`] is what both services promise about all their functions.
//!   [`layouts`] opens stores of other layouts. [`invocation`] is one call of a function,
//!   [`order_line`] the stored form of an order.
//!
//! `tests/` has the model of the protocol and the tests of the whole system. `planted/` has bugs
//! that chaos has to find.

pub mod chaos;

pub mod aof;
pub mod links;
pub mod proxy;
pub mod shim;
pub mod supervisor;

pub mod atomicity;
pub mod cut;
pub mod functions;
pub mod invocation;
pub mod layouts;
pub mod order_line;
pub mod twin;
