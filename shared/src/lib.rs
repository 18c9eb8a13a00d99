//! What the two services share: the contract between them, and the plumbing both stand on.
//!
//! Nothing here knows a product or an order beyond their ids and events. A rule of one service's
//! domain never moves in.

// The contract, in reading order: ids and money in the API, events between the services.
pub mod event;
pub mod id;
pub mod money;
pub mod time;
pub mod trace;

// The plumbing: what a process starts with ...
pub mod backoff;
pub mod cli;
pub mod config;
pub mod digest;
pub mod line_writer;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

// ... its stores and functions ...
pub mod batch;
pub mod function;
pub mod index;
pub mod layout;
pub mod libraries;
pub mod opening;
pub mod own_store;
pub mod record;
pub mod redis;

// ... its streams ...
pub mod consumer;
mod cursor;
pub mod dead_letter;
mod decimal;
pub mod delivery;
pub mod entry_id;
pub mod feed;
pub mod group;
pub mod retention;
pub mod rewind;
mod settle;
pub mod standing;
pub mod sweep;

// ... and its HTTP side.
pub mod admission;
pub mod asyncapi;
pub mod conditional;
pub mod cors;
mod declared;
mod descriptors;
pub mod health;
pub mod hosts;
mod html;
pub mod http;
pub mod idempotency;
pub mod json;
pub mod openapi;
pub mod page;
pub mod parameter;
pub mod problem;
pub mod process;
pub mod public_url;
pub mod rate_limit;
pub mod request;
pub mod routes;
pub mod sse;
