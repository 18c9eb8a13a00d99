//! What the services share: the contract between them, and the plumbing that they stand on.
//!
//! Eight layers. Each knows only the layers before it in this list, but `live` and `stream` do not
//! know each other; a test holds the arrows.

/// Settings, logging, waiting and ending: what every layer may use.
pub mod base;

/// What the services agree on: ids, money, time and the events on the wire.
pub mod contract;

/// The client of a Redis server, in whichever topology.
pub mod redis;

/// The store that a service owns, and the functions that change it.
pub mod store;

/// Consumer groups: reading a stream, acting on it, acknowledging, and what happens after a loss.
pub mod stream;

/// What changes in the own store, for clients that watch.
pub mod live;

/// Connections, requests, answers and documents.
pub mod http;

/// A process: its command line, its settings and its parts.
pub mod service;
