//! `payments reconcile` finds records that differ after a loss or an operator's change, and repairs
//! them where that is safe.

use std::time::{Duration, Instant};

use proof::order_line;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use stack::role::Role;
use stack::{ports, redis};

use crate::harness::programs::{run, text};
use crate::harness::{Shop, Traffic, completed};

use run::{forget_sale, paid, reconcile, refunded};

mod refused;
pub(crate) mod run;

#[tokio::test]
async fn a_system_at_rest_has_no_differences_in_any_partition() {
    for shop in [Shop::open().await, Shop::open_partitioned(4).await] {
        let products = [
            shop.create_product("a", 30).await,
            shop.create_product("b", 3).await,
        ];
        for number in 0..40 {
            let (id, _) = shop.place_order(products[number % 2], 1).await;
            if number % 5 == 0 {
                shop.cancel(id).await;
            }
        }
        shop.assert_quiet().await;
        let run = reconcile(&shop, &[]).await;
        run.assert_found(0, &[]);
        assert_eq!(
            (&run.report["orders"], &run.report["products"]),
            (&40.into(), &2.into())
        );
        // 32 orders of 3.00 were paid, and 13 of them refunded.
        let money = (&run.report["charged"], &run.report["refunded"]);
        assert_eq!(money, (&9_600.into(), &3_900.into()), "{run:?}");
    }
}

#[tokio::test]
async fn an_order_that_inventory_has_forgotten_takes_its_stock_after_all() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    let id = paid(&shop, product, 2).await;
    forget_sale(&shop, product, id, 5).await;
    let run = reconcile(&shop, &[]).await;
    run.assert_found(3, &[("no_outcome", false)]);
    assert_eq!(run.report["differences"][0]["order_id"], id.to_string());
    assert_eq!(
        shop.stock(product).await,
        5,
        "the run was not told to repair"
    );

    // One difference is more than the limit of 0 repairs. Many differences can mean that a store
    // lost its data.
    let run = reconcile(&shop, &["--apply", "--max-repairs", "0"]).await;
    run.assert_found(3, &[("no_outcome", false)]);
    assert_eq!(run.report["held_back"], 1);
    assert_eq!(
        shop.stock(product).await,
        5,
        "more differences than the limit"
    );

    let run = reconcile(&shop, &["--apply"]).await;
    run.assert_found(0, &[("no_outcome", true)]);
    assert_eq!(shop.stock(product).await, 3);
    assert_eq!(reconcile(&shop, &["--apply"]).await.kinds(), []);
    shop.assert_quiet().await;
    assert_eq!(shop.order(id).await["status"], "paid");
}

#[tokio::test]
async fn an_order_that_inventory_has_forgotten_is_refunded_when_nothing_is_left() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    let id = paid(&shop, product, 2).await;
    forget_sale(&shop, product, id, 5).await;
    shop.inventory
        .ask("DEL", &[&format!("movements:{product}")])
        .await;
    shop.set_stock(product, 0).await;
    let run = reconcile(&shop, &["--apply"]).await;
    // The stock was changed without a movement, so a person has to look at it.
    run.assert_found(3, &[("no_outcome", true), ("wrong_stock", false)]);
    assert_eq!(shop.order(id).await["status"], "refunded");
}

#[tokio::test]
async fn a_refund_that_payments_has_forgotten_is_made_again() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1).await;
    let id = refunded(&shop, product, 2).await;
    shop.change_order(id, |line| line.truncate(order_line::AFTER_PAYMENT))
        .await;
    shop.payments.ask("HDEL", &["account", "refunded"]).await;
    let run = reconcile(&shop, &["--apply"]).await;
    run.assert_found(0, &[("refund_missing", true)]);
    let order = shop.order(id).await;
    assert_eq!(
        (&order["status"], &order["reason"]),
        (&"refunded".into(), &"insufficient_stock".into())
    );
    assert_eq!(reconcile(&shop, &[]).await.kinds(), []);
    assert_eq!(shop.stock(product).await, 1);
}

#[tokio::test]
async fn stock_of_an_order_that_is_not_paid_for_is_given_back() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let taken = paid(&shop, product, 3).await;
    let cancel = |line: &mut Vec<String>| {
        line.truncate(order_line::LATER);
        line.push("cancelled 1".to_owned());
    };
    shop.change_order(taken, cancel).await;
    shop.payments.ask("HDEL", &["account", "charged"]).await;
    // payments has no such order.
    let orphan = completed(product, 4);
    shop.emit(std::slice::from_ref(&orphan)).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 3);

    let differences = vec![("stock_taken", false), ("unknown_order", false)];
    let run = reconcile(&shop, &[]).await;
    assert_eq!((run.code, run.kinds()), (3, differences));
    // The client of an unknown order may be about to repeat its request.
    let run = reconcile(&shop, &["--apply", "--orphan-grace", "15m"]).await;
    let differences = vec![("stock_taken", true), ("unknown_order", false)];
    assert_eq!((run.code, run.kinds()), (3, differences));
    assert_eq!(shop.stock(product).await, 6);
    let run = reconcile(&shop, &["--apply"]).await;
    run.assert_found(0, &[("unknown_order", true)]);
    assert_eq!(shop.stock(product).await, 10);
    assert_eq!(reconcile(&shop, &["--apply"]).await.kinds(), []);

    // When its event comes again, the order is refunded and not sold.
    shop.emit(&[orphan]).await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 10);
    // Three refunds: one for each of the two releases, and one for the event that came again.
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 3);
}

#[tokio::test]
async fn stock_money_and_records_that_were_changed_by_hand_are_reported_and_left_alone() {
    let shop = Shop::open().await;
    let (tea, cup) = (
        shop.create_product("tea", 9).await,
        shop.create_product("cup", 9).await,
    );
    let (sold, resold) = (paid(&shop, tea, 1).await, paid(&shop, cup, 1).await);
    let (mispriced, damaged) = (paid(&shop, cup, 1).await, paid(&shop, cup, 1).await);
    assert_eq!(reconcile(&shop, &[]).await.kinds(), []);

    shop.set_stock(tea, 7).await;
    shop.forget_record(sold).await;
    shop.change_order(resold, |line| line[order_line::QUANTITY] = "2".to_owned())
        .await;
    shop.change_order(mispriced, |line| {
        line[order_line::TOTAL] = "3.01".to_owned();
    })
    .await;
    shop.change_order(damaged, |line| drop(line.remove(order_line::PRICE)))
        .await;
    let (late, _) = shop.place_order(tea, 1).await;
    shop.wait_status(late, "paid").await;
    shop.assert_quiet().await;
    let forget = |line: &mut Vec<String>| {
        line.truncate(order_line::LATER);
        line[order_line::COMPLETES_AT] = "1".to_owned();
    };
    shop.change_order(late, forget).await;

    let emitted = shop.payments.length(OrderCompleted::STREAM).await;
    let run = reconcile(&shop, &["--apply"]).await;
    let mut kinds: Vec<_> = run.kinds();
    kinds.sort_unstable();
    let expected = [
        "order_damaged",
        "other_sale",
        "overdue",
        "unrecorded_sale",
        "wrong_account",
        "wrong_stock",
        "wrong_total",
        "wrong_total",
    ];
    assert_eq!(
        (run.code, kinds),
        (3, expected.map(|kind| (kind, false)).to_vec())
    );
    assert_eq!(
        shop.payments.length(OrderCompleted::STREAM).await,
        emitted,
        "nothing was emitted"
    );
    let output = shop
        .run(Role::PaymentsServe, &["reconcile", "--grace", "0"])
        .await;
    assert_eq!(output.status.code(), Some(3));
    let lines = text(&output);
    assert!(
        lines.contains(&format!("wrong_stock product {tea}: ")),
        "{lines}"
    );
    assert!(lines.contains("8 differences, 0 repaired"), "{lines}");
}

#[tokio::test]
async fn young_orders_count_as_under_way_and_old_ones_may_be_left_out() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    let id = paid(&shop, product, 2).await;
    forget_sale(&shop, product, id, 5).await;
    let patient = ["--grace", "1h"];
    let run = reconcile(&shop, &patient).await;
    run.assert_found(0, &[]);
    let run = reconcile(&shop, &["--since", "1h"]).await;
    run.assert_found(3, &[("no_outcome", false)]);
    assert!(run.report.get("charged").is_none(), "{run:?}");
    let run = reconcile(&shop, &["--since", "0"]).await;
    assert_eq!(
        (run.code, run.kinds(), &run.report["orders"]),
        (0, vec![], &0.into())
    );
}

#[tokio::test]
async fn a_comparison_beside_live_traffic_finds_no_difference() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 150).await;
    let traffic = Traffic::start(&shop, product, 8);
    for _ in 0..3 {
        traffic.more(100).await;
        // No order is under way for as long as this.
        let run = reconcile(&shop, &["--grace", "30s"]).await;
        run.assert_found(0, &[]);
    }
    traffic.stop().await;
    shop.assert_quiet().await;
    assert_eq!(reconcile(&shop, &[]).await.kinds(), []);
}

/// The settings lead to ports where no process listens.
#[tokio::test]
async fn a_comparison_that_reaches_nothing_ends_at_once_and_names_both_settings() {
    let (store, http) = (ports::free().unwrap(), ports::free().unwrap());
    let store_url = format!("redis://payments:s3cret@127.0.0.1:{}", store.number());
    let inventory_url = format!("http://127.0.0.1:{}", http.number());
    let env = [
        ("PAYMENTS_REDIS_URL", &*store_url),
        ("INVENTORY_URL", &inventory_url),
    ];
    let began = Instant::now();
    let output = run(redis::Owner::Payments, &["reconcile"], &env).await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "the store of payments at 127.0.0.1:{} (PAYMENTS_REDIS_URL) cannot be reached: connection \
         refused\ninventory at {inventory_url}/ (INVENTORY_URL) cannot be asked: connection refused\n",
        store.number()
    );
    assert_eq!(text(&output), expected);
}

#[tokio::test]
async fn a_comparison_that_cannot_be_finished_ends_with_status_1() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    paid(&shop, product, 1).await;
    shop.system.process("inventory serve").kill();
    let output = shop.run(Role::PaymentsServe, &["reconcile"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let refused = "(INVENTORY_URL) cannot be asked: connection refused";
    assert!(text(&output).contains(refused), "{}", text(&output));
    shop.payments.ask("FLUSHALL", &[]).await;
    let output = shop.run(Role::PaymentsServe, &["reconcile"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("lost its data"), "{}", text(&output));
}
