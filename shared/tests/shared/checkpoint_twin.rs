//! Random histories compare the function `move_checkpoint` with its twin in Rust. A call makes all
//! of its changes, or none.

mod model;

use model::{Checkpoints, Move, REPLICATION_ID};
use proof::atomicity::{SpoilRig, Subject};
use proof::cut::LogLoader;
use proof::twin::play;
use shared::contract::entry_id::EntryId;
use shared::redis::Command;
use shared::store::Store;
use shared::store::partition::Partitions;
use stack::credentials::User;
use stack::private_store::PrivateStore;
use stack::redis::Owner;

use crate::harness::{LAYOUT, STREAM, partition};

#[tokio::test]
async fn a_checkpoint_moves_as_its_twin_says() {
    let (private, store) = start().await;
    play::<Checkpoints>("checkpoint", &private, &store).await;
}

#[tokio::test]
async fn a_key_of_a_wrong_type_or_an_odd_argument_moves_no_checkpoint() {
    let (private, store) = start().await;
    let (types, _) = bench(&private, &store)
        .await
        .spoil_everything("checkpoint", &[subject()])
        .await;
    assert!(types.cases >= 10, "{types:?}");
}

#[tokio::test]
async fn a_log_that_ends_in_the_middle_of_a_move_has_all_of_it_or_none() {
    let (private, store) = start().await;
    let bench = bench(&private, &store).await;
    let mut reader = LogLoader::start(&private).await.unwrap();
    reader
        .cut_all(&bench, "checkpoint", &[subject()])
        .await
        .unwrap();
}

async fn start() -> (PrivateStore, Store) {
    let private = PrivateStore::start(Owner::Inventory).await.unwrap();
    let redis = private.client(User::Inventory).unwrap();
    let store = Store::new(redis, LAYOUT, &[], Partitions::NONE);
    store.load_functions(partition()).await.unwrap();
    REPLICATION_ID.set(store.replication_id(partition()).await.unwrap());
    (private, store)
}

/// A store that has acted on a part of the stream.
async fn bench<'a>(private: &'a PrivateStore, store: &'a Store) -> SpoilRig<'a> {
    let identity = Command::new("SET")
        .arg("identity")
        .arg(store.identity_text("test"));
    private.operator.run(identity).await.unwrap();
    let set = Command::new("HSET")
        .key("checkpoint")
        .args([STREAM, "9-1 5 8-0 7-0 6-0"]);
    private.operator.run(set).await.unwrap();
    let type_of = |key: &str| {
        if key == "checkpoint" {
            "hash"
        } else {
            "string"
        }
    };
    SpoilRig {
        private,
        store,
        baseline: private.dump().await,
        type_of,
    }
}

fn subject() -> Subject {
    let request = Move {
        stream: STREAM,
        known: EntryId { ms: 9, sequence: 1 },
        entry: EntryId {
            ms: 20,
            sequence: 0,
        },
        count: 7,
        open: EntryId {
            ms: 19,
            sequence: 0,
        },
        distance: 10,
        in_this_incarnation: true,
        back: false,
    };
    // `numbers` is the distance in time. `passed_on` is the count: Lua passes it on as text,
    // because it may have more digits than a number of Lua.
    let invocation = request.invocation(partition());
    Subject {
        invocation,
        numbers: vec![5],
        passed_on: vec![3],
        ..Subject::default()
    }
}
