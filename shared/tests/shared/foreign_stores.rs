//! A store of another service, or of another program, is refused for good.

use shared::store::open::OpenError;
use shared::store::partition::Partitions;
use shared::store::{Layout, Store};

use crate::harness::{LAYOUT, STREAM, Stores};
use crate::layouts::{LUA, answer, ask, store_of};

#[tokio::test]
async fn a_store_of_another_service_is_refused_for_good() {
    let stores = Stores::start().await;
    let other = store_of(
        &stores,
        Layout {
            service: "other",
            ..LAYOUT
        },
        LUA,
    );
    stores.open(&store_of(&stores, LAYOUT, LUA)).await.unwrap();
    let identity = ask(&stores, "GET", &["identity"]).await;
    let error = stores.open(&other).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::OtherService { owner, .. } if owner == "test"),
        "{error:?}"
    );
    let error = answer(&other).await.unwrap_err();
    assert!(error.to_string().contains("OTHERLAYOUT"), "{error}");
    assert_eq!(ask(&stores, "GET", &["identity"]).await, identity);
}

#[tokio::test]
async fn a_store_without_identity_and_with_the_stream_of_the_other_service_is_refused() {
    let stores = Stores::start().await;
    ask(&stores, "XADD", &[STREAM, "*", "a", "b"]).await;
    // A user with all rights, as in a system that has one user for everything.
    let store = Store::new(stores.operator.clone(), LAYOUT, &[LUA], Partitions::NONE);
    let error = stores.open(&store).await.unwrap_err();
    assert!(matches!(error, OpenError::OtherService { .. }), "{error:?}");
    assert_eq!(ask(&stores, "GET", &["identity"]).await, "");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_for_good() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    for (name, words) in [
        ("SET", ["identity", "hello world"].as_slice()),
        ("SET", &["identity", ""]),
        ("HSET", &["identity", "a", "b"]),
        ("RPUSH", &["identity", "a"]),
    ] {
        ask(&stores, "DEL", &["identity"]).await;
        ask(&stores, name, words).await;
        let error = stores.open(&store).await.unwrap_err();
        assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
        assert!(error.is_final());
    }
}
