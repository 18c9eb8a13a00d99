//! The rules of the source tree that no compiler knows.

mod arrows;
mod circles;
mod documents;
mod files;
mod keys;
mod lua;
mod phrases;
mod public_items;
mod service_arrows;
mod services;
mod tree;
