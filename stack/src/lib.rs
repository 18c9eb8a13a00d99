//! The whole system as children of one process: two Redis servers and the four service processes.
//!
//! `cargo run-all` (the binary of this crate) and every test start it from here, so that what the
//! tests prove is what people run. In reading order:
//!
//! - [`server`] finds a Redis or Valkey server, or fetches a pinned one; [`binaries`] builds the
//!   services.
//! - [`process`] runs one child that never outlives its parent; [`guard`] is how.
//! - [`redis`] is one private store, [`operator`] who may do everything there; [`credentials`] are its users' passwords.
//! - [`role`] says which processes there are and what each is told; [`ports`] where they listen;
//!   [`health`] when they are ready.
//! - [`proxy`] is a link between two of them that can be made to fail.
//! - [`system`] puts it all together for a test; [`wait`] waits without sleeping blindly.
//! - [`chaos`] breaks it in every way it can, and asks whether the promise held.

pub mod server;

pub mod binaries;
pub mod chaos;
pub mod credentials;
pub mod events;
pub mod guard;
pub mod health;
pub mod lock;
pub mod operator;
pub mod ports;
pub mod private_store;
pub mod process;
pub mod project;
pub mod proxy;
pub mod redis;
pub mod role;
pub mod system;
pub mod wait;

mod subprocess;
