//! Many requests wait for one order, and some of them run out of time.

use std::time::Duration;

use futures_util::future::join_all;
use payments::stock_acks::StockAcks;
use shared::base::health::Progress;
use shared::base::shutdown::Shutdown;
use shared::contract::entry_id::EntryId;
use shared::store::partition::Partitions;
use stack::wait::eventually;

use crate::fake_inventory::failure;
use crate::harness::{LIMIT, TestStore, only_partition};
use crate::live::start;
use crate::waits::deliver;

/// How many requests wait for one entry.
const CROWD: usize = 5_000;

#[tokio::test]
async fn however_many_wait_for_one_entry_all_are_told_that_it_is_acknowledged() {
    let test = TestStore::start(Partitions::NONE).await;
    test.operate("XADD", "order_completed 1-0 a b").await;
    test.operate("XGROUP", "CREATE order_completed inventory-group 0")
        .await;
    let stock_acks = StockAcks::new(test.store.own.clone());
    let stop = Shutdown::new();
    let looking = tokio::spawn(stock_acks.clone().run(Progress::new(), stop.clone()));
    let entry = EntryId::first_of(1);
    let crowd = (0..CROWD).map(|_| stock_acks.acknowledged(only_partition(), entry));
    let acknowledge = async {
        test.operate(
            "XREADGROUP",
            "GROUP inventory-group c STREAMS order_completed >",
        )
        .await;
        test.operate("XACK", "order_completed inventory-group 1-0")
            .await;
    };
    let all = futures_util::future::join(join_all(crowd), acknowledge);
    tokio::time::timeout(LIMIT, all).await.unwrap();
    stop.cancel();
    looking.await.unwrap();
}

#[tokio::test]
async fn who_waited_in_vain_is_told_what_is_true_when_the_time_is_up() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let id = service.order(product, 2).await.created_id();
    assert_eq!(service.complete().await, 1);
    deliver(&service, true).await;
    service.inventory.set_movement(product, &id, failure());
    let path = format!("/orders/{id}?wait=final&timeout=1");
    let movement = format!("{product}/movements?order_id={id}");
    let mend = async {
        let asked = || async { !service.inventory.questions(&movement).is_empty() };
        eventually("inventory to be asked", asked).await;
        service.inventory.set_taken(product, &id, true);
    };
    let began = tokio::time::Instant::now();
    let (answer, ()) = tokio::join!(service.get(&path), mend);
    assert_eq!(
        (answer.status, answer.header("order-final")),
        (200, "true"),
        "{answer:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}
