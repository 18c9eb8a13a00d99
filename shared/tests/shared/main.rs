//! What `shared` promises, tried on private Redis servers; and the rules of the source tree.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod harness;
mod relay;
mod script;

mod documents;
mod foreign_stores;
mod half_closed;
mod half_open;
mod layouts;
mod libraries;
mod lines;
mod long_lines;
mod opening;
mod reasons;
mod redis;
mod refusals;
mod replicas;

mod checkpoint;
mod checkpoint_twin;
mod consumer;
mod dead_letter_bounds;
mod dead_letter_losses;
mod dead_letters;
mod deaths;
mod foreign_groups;
mod foreign_partitions;
mod large_entries;
mod live;
mod progress;
mod raw;
mod recovery;
mod replay;
mod retention;
mod retries;

mod dependencies;
mod floods;
mod hello;
mod http;
mod idle;
mod malformed;
mod rude_clients;
mod shares;
mod slow_readers;
mod unread;

mod planted;
mod tidy;
