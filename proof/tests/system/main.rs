//! What the system promises, tried on the whole system: two private Redis servers and the four
//! processes of the services.
//!
//! Every test starts a system of its own through [`harness::Shop`]. Most tests end with
//! [`harness::Shop::assert_quiet`]: no order is due, every entry was delivered and acknowledged,
//! and there is no dead letter.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod backups;
mod budgets;
mod chaos;
mod clocks;
mod clocks_behind;
mod cluster;
mod crash_points;
mod crashes;
mod crowds;
mod data_loss;
mod dead_letters;
mod duplicates;
mod endings;
mod failover;
mod full_disk;
mod harness;
mod large_entries;
mod live;
mod logs;
mod lost_tails;
mod names;
mod one_server;
mod operation;
mod orders;
mod outages;
mod pages;
mod partitions;
mod pipes;
mod poison;
mod races;
mod readers;
mod reconcile;
mod refusals;
mod releases;
mod replicas;
mod secrets;
mod settings;
mod slow_readers;
mod strict;
mod tutorial;
mod upgrades;
