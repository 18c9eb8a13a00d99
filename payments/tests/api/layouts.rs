//! Which stores this build opens, and which it refuses.

use std::time::Duration;

use payments::store::OrderStore;
use proof::layouts::Build;
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::redis::Owner;

const BUILD: Build = Build {
    service: Owner::Payments,
    user: User::Payments,
    layout: 2,
    store: |redis| OrderStore::new(redis, Partitions::NONE, Duration::ZERO).own,
};

#[tokio::test]
async fn a_new_store_has_the_layout_of_this_build_and_opens_again() {
    BUILD.opens_new_stores().await;
}

#[tokio::test]
async fn a_store_of_an_older_layout_is_refused_and_stays_as_it_is() {
    BUILD.refuses_older_stores().await;
}

#[tokio::test]
async fn a_store_of_a_newer_layout_is_refused_and_stays_as_it_is() {
    BUILD.refuses_newer_stores().await;
}
