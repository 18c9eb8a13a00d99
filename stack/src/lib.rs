//! The whole system as children of one process: two Redis servers and the four service processes.
//!
//! `cargo run-all` (the binary of this crate) and every test start it from here, so that what the
//! tests prove is what people run. In reading order:
//!
//! - [`server`] finds a Redis or Valkey server, or fetches a pinned one; [`binaries`] builds the
//!   services, and [`subprocess`] runs such a helper with a time limit.
//! - [`process`] runs one child that never outlives its parent; [`guard`] is how; [`memory`] limits what it may use.
//! - [`redis`] is one private store, [`operator`] who may do everything there; [`credentials`] are its users' passwords.
//! - [`role`] says which processes there are and what each is told; [`ports`] where they listen;
//!   [`health`] when they are ready.
//! - [`running`] tells other verbs how to reach what `run-all` runs; [`note`] writes messages for the person at the terminal.
//! - [`topology`] is what a store consists of: one server; with [`sentinel`] a primary and replicas, of
//!   which Sentinels promote one when the primary is gone; or a [`cluster`] of several primaries.
//! - [`system`] puts it all together for a test; [`wait`] waits without sleeping blindly.
//! - [`client`] asks the services and reads their answers, [`events`] reads their live streams.
//! - [`private_store`] is one store without the rest of the system.

pub mod binaries;
pub mod client;
pub mod cluster;
pub mod credentials;
pub mod events;
pub mod guard;
pub mod health;
pub mod lock;
pub mod memory;
pub mod note;
pub mod operator;
pub mod ports;
pub mod private_store;
pub mod process;
pub mod project;
pub mod redis;
pub mod role;
pub mod running;
pub mod sentinel;
pub mod server;
pub mod subprocess;
pub mod system;
pub mod topology;
pub mod users;
pub mod wait;

mod node;

/// A runtime with a thread for each core. `TOKIO_WORKER_THREADS` is for the services alone.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
}
