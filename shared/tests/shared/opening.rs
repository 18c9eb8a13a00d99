//! What must hold before a service opens its store.

use std::num::NonZeroU16;

use shared::base::shutdown::Shutdown;
use shared::contract::event::{Event, OrderCompleted};
use shared::redis::{Code, Command, Redis};
use shared::store::Store;
use shared::store::function::Call;
use shared::store::open::{OpenError, Witness};
use shared::store::partition::Partitions;
use shared::stream::loss::accept_loss;
use stack::credentials::User;
use stack::wait::eventually;

use crate::harness::{LAYOUT, LIMIT, STREAM, Stores, calls, membership, partition, url};
use crate::layouts::store_of;
use crate::script::DONE;

pub(crate) fn witness(stores: &Stores) -> Witness {
    Witness {
        redis: stores.emitter.clone(),
        stream: OrderCompleted::STREAM,
        group: OrderCompleted::GROUP,
        is_own: false,
    }
}

async fn configure(stores: &Stores, name: &str, value: &str) {
    let set = Command::new("CONFIG").args(["SET", name, value]);
    stores.operate(set).await;
}

#[tokio::test]
async fn a_new_store_is_given_its_identity_and_its_functions() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    assert!(!store.has_identity().await.unwrap());
    stores.open(&store).await.unwrap();
    assert!(store.has_identity().await.unwrap());
    let answer = store.call(partition(), &Call::new("answer")).await.unwrap();
    assert_eq!(answer.int().unwrap(), 42);

    let get = || Command::new("GET").key("identity");
    let identity = stores.operate(get()).await;
    stores.open(&store).await.unwrap();
    store.adopt().await.unwrap();
    assert_eq!(stores.operate(get()).await, identity, "for ever the same");
}

#[tokio::test]
async fn a_server_that_drops_data_when_it_is_full_is_unfit() {
    let stores = Stores::start().await;
    let store = stores.own_store();
    for policy in ["allkeys-lru", "volatile-ttl", "allkeys-random"] {
        configure(&stores, "maxmemory-policy", policy).await;
        let error = stores.open(&store).await.unwrap_err();
        assert!(
            matches!(&error, OpenError::Unfit(text) if text.contains(policy)),
            "{error:?}"
        );
    }
    assert!(!store.has_identity().await.unwrap(), "nothing was written");
    configure(&stores, "maxmemory-policy", "noeviction").await;
    stores.open(&store).await.unwrap();
}

#[tokio::test]
async fn a_server_without_an_append_only_file_is_taken_with_a_warning() {
    let stores = Stores::start().await;
    configure(&stores, "appendonly", "no").await;
    let store = stores.own_store();
    stores.open(&store).await.unwrap();
}

/// On a busy machine good functions may take too long as well.
#[tokio::test]
async fn functions_that_load_too_slowly_may_load_at_the_next_attempt() {
    let stores = Stores::start().await;
    let redis = Redis::worker(&url(&stores.own, User::Operator));
    let slow = Store::new(redis, LAYOUT, &["while true do end"], Partitions::NONE);
    let loaded = slow.load_functions(partition()).await;
    assert!(
        loaded.is_err_and(|error| error.is(Code::LoadTimeout) && error.did_nothing()),
        "the next attempt may be fast enough"
    );
}

fn spread(count: u16) -> Partitions {
    NonZeroU16::new(count).map_or(Partitions::NONE, Partitions::new)
}

#[tokio::test]
async fn a_store_refuses_another_number_of_partitions_than_it_was_made_with() {
    for (made, others) in [(16, [8, 17, 0]), (0, [1, 8, 16])] {
        let stores = Stores::start().await;
        let store = stores.own_store_of(spread(made));
        stores.open(&store).await.unwrap();
        let keys = stores.operate(Command::new("DBSIZE")).await;
        for other in others {
            let store = stores.own_store_of(spread(other));
            let opened = stores.open(&store).await;
            let Err(error @ OpenError::OtherPartitions { .. }) = opened else {
                panic!("{opened:?}")
            };
            let says = |count| match count {
                0 => "without PARTITIONS".to_owned(),
                count => format!("with PARTITIONS={count}"),
            };
            let expected = format!("made {}, not {}", says(made), says(other));
            assert!(error.to_string().contains(&expected), "{error}");
            accept_loss(&store, &witness(&stores)).await.unwrap_err();
        }
        assert_eq!(stores.operate(Command::new("DBSIZE")).await, keys);
        stores.open(&store).await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_that_names_no_layout_is_refused_in_every_partition() {
    let stores = Stores::start().await;
    for identity in ["an-old-one", "an-old-one 4"] {
        for index in 0..4 {
            let set = Command::new("SET").key(format!("identity:{{{index}}}"));
            stores.operate(set.arg(identity)).await;
        }
        let opened = stores.open(&stores.own_store_of(spread(4))).await;
        assert!(
            matches!(opened, Err(OpenError::LayoutTooOld { layout: 0, .. })),
            "{opened:?}"
        );
        let get = Command::new("GET").key("identity:{3}");
        let identity_now = stores.operate(get).await;
        assert_eq!(identity_now.text().unwrap(), identity);
    }
}

#[tokio::test]
async fn a_server_that_does_not_take_the_functions_is_unfit() {
    let stores = Stores::start().await;
    let error = stores
        .open(&store_of(&stores, LAYOUT, "this is no Lua"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, OpenError::Unfit(text) if text.contains("functions")),
        "{error:?}"
    );
    assert!(error.is_final());
}

#[tokio::test]
async fn an_empty_store_beside_a_stream_with_a_past_is_not_opened_until_it_is_adopted() {
    let stores = Stores::start().await;
    stores.emit([DONE]).await;
    // A stream that was trimmed to no entry still has a past.
    let trim = Command::new("XTRIM").key(STREAM).arg("MAXLEN").arg(0);
    stores.emitter.run(trim).await.unwrap();
    Box::pin(assert_waits_for_adoption(&stores)).await;
}

#[tokio::test]
async fn an_empty_store_beside_a_stream_that_knows_its_group_is_not_opened_either() {
    let stores = Stores::start().await;
    membership("one")
        .ensure_group(&stores.emitter)
        .await
        .unwrap();
    Box::pin(assert_waits_for_adoption(&stores)).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_does_not_keep_its_process_from_stopping() {
    let stores = Stores::start().await;
    stores.own.kill();
    let (store, shutdown) = (stores.own_store(), Shutdown::new());
    shutdown.cancel();
    let witness = witness(&stores);
    let opening = tokio::time::timeout(LIMIT, store.open(&witness, &shutdown));
    opening.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_waits_for_a_store_that_starts_late() {
    let stores = Stores::start().await;
    stores.own.kill();
    let (store, shutdown) = (stores.own_store(), Shutdown::new());
    let witness = witness(&stores);
    let (opened, restarted) = tokio::join!(store.open(&witness, &shutdown), stores.own.restart());
    opened.unwrap();
    restarted.unwrap();
    assert!(store.has_identity().await.unwrap());
}

/// The store stays closed while it has no identity. It opens as soon as an operator has adopted it.
async fn assert_waits_for_adoption(stores: &Stores) {
    let (store, shutdown) = (stores.own_store(), Shutdown::new());
    let witness = witness(stores);
    let opening = async {
        store.open(&witness, &shutdown).await.unwrap();
        store.has_identity().await.unwrap()
    };
    let adopting = async {
        // It has looked at least twice and is still waiting when it is adopted.
        eventually("two looks", async || {
            calls(&stores.emitter, "xinfo|stream").await >= 2
        })
        .await;
        assert!(!store.has_identity().await.unwrap());
        store.adopt().await.unwrap();
    };
    let (opened, ()) = tokio::join!(opening, adopting);
    assert!(opened);
}
