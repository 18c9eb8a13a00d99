//! The disk of the stores is full: reads go on, and changes are refused. Once there is room,
//! changes succeed again without help.

use std::mem;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proof::shim;
use reqwest::{Method, RequestBuilder};
use stack::wait::eventually;
use tokio::time::{Instant, sleep};

use crate::harness::{Answer, Shop};

use run_all::RunAll;

mod run_all;

/// How long the test watches reads.
const WATCHED: Duration = Duration::from_secs(3);
/// Stock of the product that is sold.
const STOCK: u64 = 100;

/// Each of these requests is answered 200 during `WATCHED`.
async fn assert_read(requests: &[RequestBuilder]) {
    let since = Instant::now();
    while since.elapsed() < WATCHED {
        for request in requests {
            Answer::to(request.try_clone().unwrap()).await.expect(200);
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn run_all_reads_on_while_the_disk_is_full_and_takes_orders_again_by_itself() {
    let mut run = RunAll::start(900).await;
    let product = run.create_product().await;
    let first = Answer::to(run.order(&product, "first"))
        .await
        .expect(201)
        .text("id");
    run.wait_paid(&first).await;

    for round in 1..=2 {
        run.fill_disk(true);
        run.wait_full(&product).await;
        let (shelf, order) = (format!("/products/{product}"), format!("/orders/{first}"));
        let reads = [
            run.inventory(Method::GET, &shelf),
            run.payments(Method::GET, &order),
        ];
        for read in &reads {
            eventually("reads to go on", async || {
                let answer = Answer::attempt(read.try_clone().unwrap()).await;
                answer.is_ok_and(|answer| answer.status == 200)
            })
            .await;
        }
        assert_read(&reads).await;
        let refused = Answer::to(run.order(&product, &format!("refused-{round}"))).await;
        refused.assert_unavailable("store-refused");
        let detail = refused.text("detail");
        assert!(detail.contains("its disk is full (NOREPLICAS)"), "{detail}");
        assert_eq!(
            Answer::to(run.payments(Method::GET, "/readyz"))
                .await
                .status,
            503
        );

        run.fill_disk(false);
        run.wait_said(" has room again: ", 2 * round).await;
        let key = format!("after-{round}");
        let accepted = eventually("an order to be accepted", async || {
            let answer = Answer::attempt(run.order(&product, &key)).await.ok()?;
            (answer.status == 201).then(|| answer.text("id"))
        });
        run.wait_paid(&accepted.await).await;
        run.lines
            .lock()
            .unwrap()
            .retain(|line| !line.contains(" is full: "));
    }
    let orders = Answer::to(run.payments(Method::GET, "/orders?limit=100"))
        .await
        .expect(200);
    let paid = orders.json().as_array().unwrap().len() as u64;
    eventually("the stock of each order to be taken", async || {
        let shelf = run.inventory(Method::GET, &format!("/products/{product}"));
        Answer::to(shelf).await.json()["quantity"] == STOCK - paid
    })
    .await;
    for ready in [
        run.inventory(Method::GET, "/readyz"),
        run.payments(Method::GET, "/readyz"),
    ] {
        Answer::to(ready).await.expect(200);
    }
    kill(Pid::from_raw(run.child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(run.child.wait().unwrap().success());
}

#[tokio::test]
async fn run_all_ends_and_starts_while_the_disk_is_full_and_goes_on_once_there_is_room() {
    let mut run = RunAll::start(950).await;
    let product = run.create_product().await;
    run.fill_disk(true);
    run.wait_full(&product).await;
    kill(Pid::from_raw(run.child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert!(run.child.wait().unwrap().success());

    let folder = mem::replace(&mut run.dir, tempfile::tempdir().unwrap());
    let run = RunAll::launch(folder, run.offset, true).await;
    run.wait_said(" is full: ", 2).await;
    run.fill_disk(false);
    run.wait_said("╰", 1).await;
    Answer::to(run.order(&product, "once-there-is-room"))
        .await
        .expect(201);
}

#[tokio::test]
async fn stores_that_write_every_second_read_on_and_take_changes_again_once_there_is_room() {
    let shop = Shop::start(Shop::shimmed().redis("appendfsync", "everysec")).await;
    let product = shop.create_product("thing", 100).await;
    let (first, _) = shop.place_order(product, 1).await;
    shop.wait_status(first, "paid").await;
    shop.wait_drained().await;
    let stores = [shop.system.inventory_redis(), shop.system.payments_redis()];
    for store in stores {
        shim::fill_disk(store.dir(), true).unwrap();
    }
    // What is accepted before the server has tried to write is written once there is room.
    let refused = eventually("a refusal", async || {
        let answer = shop.try_order(product, 1).await;
        answer.body.contains("(MISCONF)").then_some(answer)
    })
    .await;
    refused.assert_unavailable("store-refused");
    let (shelf, order) = (format!("/products/{product}"), format!("/orders/{first}"));
    assert_read(&[
        shop.to_inventory(Method::GET, &shelf),
        shop.to_payments(Method::GET, &order),
    ])
    .await;
    for store in stores {
        shim::fill_disk(store.dir(), false).unwrap();
    }
    shop.system.wait_ready().await.unwrap();
    shop.place_order(product, 1).await;
    shop.assert_quiet().await;
    let orders = shop.orders().await.len() as u64;
    assert_eq!(shop.stock(product).await, 100 - orders);
    let payments = shop.system.payments_redis();
    // A kill may lose changes that the server has not written yet. A stop in order loses nothing.
    payments.stop().await.unwrap();
    payments.restart().await.unwrap();
    assert_eq!(
        shop.orders().await.len() as u64,
        orders,
        "every order was written"
    );
}
