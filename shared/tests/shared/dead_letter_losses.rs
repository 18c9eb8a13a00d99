//! A failover loses no dead letter and adds none, and a broken partition does not stop the others.

use std::num::NonZeroU16;
use std::time::Duration;

use shared::redis::{Command, Redis};
use shared::store::Store;
use shared::store::partition::Partitions;
use shared::stream::dead_letter::{Bounds, Caretaker};
use stack::credentials::User;
use stack::wait::eventually;

use crate::dead_letters::{Log, flood, letters, names};
use crate::harness::{Stores, calls, entries, url};
use crate::replicas::{ACKS, Replica};
use crate::script::Script;

/// A failover may take a dead letter and leave its name, if the name was written to the new
/// primary.
#[tokio::test]
async fn an_entry_whose_dead_letter_is_gone_is_parked_again() {
    let stores = Stores::start().await;
    flood(&stores, 3).await;
    let running = stores.consume("one", &Script::default());
    stores.wait_settled().await;
    running.stop().await;
    let lost = &letters(&stores).await[1];
    let delete = Command::new("XDEL")
        .key("dead_letters")
        .arg(lost.id.as_str());
    stores.operate(delete).await;
    assert_eq!((letters(&stores).await.len(), names(&stores).await), (2, 3));
    // As after a failover: the store has a new incarnation, and a replay is due.
    stores.own.kill();
    stores.own.restart().await.unwrap();
    let _running = stores.consume("one", &Script::default());
    let parked = stores.wait_parked(3).await;
    assert_eq!(
        parked[2].fields.as_ref().unwrap().last(),
        lost.fields.as_ref().unwrap().last()
    );
    assert_eq!(names(&stores).await, 3);
}

#[tokio::test]
async fn an_entry_is_parked_once_and_acknowledged_when_replicas_have_its_dead_letter() {
    const COUNT: usize = 3;
    let stores = Stores::start().await;
    let replica = Replica::of(&stores.own).await;
    let redis = Redis::worker(&url(&stores.own, User::Inventory)).with_acks(ACKS);
    let own = Store::new(redis, crate::harness::LAYOUT, &[], Partitions::NONE);
    replica.server.pause();
    let before = calls(&stores.operator, "wait").await;
    flood(&stores, COUNT).await;
    let running = stores.consume_into(own, &stores.settings("one"), &Script::default());
    // Many attempts: each asks the replicas at least once.
    eventually("several attempts", async || {
        calls(&stores.operator, "wait").await >= before + 8
    })
    .await;
    assert!(
        stores.pending().await >= Some(1),
        "acknowledged without the replica"
    );
    let parked = entries(&stores.operator, "dead_letters").await.len();
    assert!((1..=COUNT).contains(&parked), "{parked} dead letters");
    replica.server.resume();
    stores.wait_settled().await;
    stores.wait_parked(COUNT).await;
    assert_eq!(names(&stores).await, COUNT);
    running.stop().await;
}

#[tokio::test]
async fn a_partition_that_fails_does_not_stop_the_dead_letters_of_others() {
    let stores = Stores::start().await;
    Log::start();
    let store = stores.own_store_of(Partitions::new(NonZeroU16::new(4).unwrap()));
    for partition in [0, 1, 3] {
        for number in ["1", "2", "3"] {
            let key = format!("dead_letters:{{{partition}}}");
            let add = Command::new("XADD")
                .key(key)
                .args(["*", "dl_reason", number]);
            stores.operate(add).await;
        }
    }
    for partition in [1, 2] {
        let key = format!("dead_letters:{{{partition}}}");
        let broken = Command::new("SET").key(key).arg("not a stream");
        stores.operate(broken).await;
    }
    let bounds = Bounds {
        count: 1,
        ..Bounds::SHIPPED
    };
    let caretaker = Caretaker::new(bounds, Duration::from_hours(1));
    let error = caretaker.tend(&store).await.unwrap_err().to_string();
    assert!(
        error.starts_with("2 of 4 partitions failed; in dead_letters:{1}: "),
        "{error}"
    );
    for partition in [0, 3] {
        let key = format!("dead_letters:{{{partition}}}");
        assert_eq!(entries(&stores.operator, &key).await.len(), 1, "{key}");
    }
}
