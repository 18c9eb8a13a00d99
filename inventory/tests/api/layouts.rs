//! Which stores this build opens, and which it refuses.

use inventory::store::ProductStore;
use proof::layouts::Build;
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::redis::Owner;

const BUILD: Build = Build {
    service: Owner::Inventory,
    user: User::Inventory,
    layout: 2,
    store: |redis| ProductStore::new(redis, Partitions::NONE).own,
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
