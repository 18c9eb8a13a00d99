//! How the examples use PostgreSQL: its address, the connections of a process, what an error means,
//! and how a start waits for the database.

mod connections;
mod error;
mod open;
mod url;

pub use connections::{Connections, Limits, Link};
pub use error::StoreError;
pub use url::DatabaseUrl;
