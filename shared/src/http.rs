//! The HTTP side of a service: connections, requests, answers, and the documents about the API.

pub mod admission;
pub mod asyncapi;
pub mod conditional;
pub mod cors;
mod declared;
pub(crate) mod descriptors;
pub mod hosts;
mod html;
pub mod idempotency;
pub mod json;
#[cfg(test)]
mod memory;
pub mod openapi;
pub mod page;
pub mod parameter;
pub mod peer;
pub mod problem;
pub mod public_url;
pub mod rate_limit;
pub mod request;
pub mod routes;
pub mod scope;
pub mod server;
pub mod settings;
pub mod slashed;
pub mod sse;
pub mod wait;
