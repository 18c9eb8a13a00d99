//! How orders end, for clients that wait for the end and for clients that ask later: long polls and
//! timelines.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::{OrderId, ProductId};
use stack::wait::eventually;

use crate::harness::live::steps;
use crate::harness::{Answer, Shop};

/// Like an id of a load balancer, with every character that an id may have.
const REQUEST_ID: &str = "Root=1-67891233-abcdef012345678912345678;Self=!#$%&()*+./:?@[]^_{|}~";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Waits until the order is final, and answers it.
async fn ending(shop: &Shop, id: OrderId) -> Value {
    let answer = shop.wait_final(id, 30).await;
    assert_eq!(answer.header("order-final"), "true", "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_paid_order_is_final_when_its_stock_is_taken_and_not_before() {
    let shop = Shop::open().await;
    let products = join_all((0..20).map(|_| shop.create_product("thing", 10))).await;
    let sell = async |product| {
        let (id, _) = shop.place_order(product, 3).await;
        assert_eq!(ending(&shop, id).await["status"], "paid");
        // The stock is taken at that moment already.
        assert_eq!(shop.stock(product).await, 7);
    };
    let sales = products.into_iter().map(sell);
    join_all(sales).await;
    shop.assert_quiet().await;
}

#[tokio::test]
async fn an_order_that_inventory_rejects_is_final_when_it_is_refunded() {
    // Long enough to delete the product before the order is paid.
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "1s")).await;
    let product = shop.create_product("scarce", 2).await;
    let gone = shop.create_product("gone", 2).await;
    let orders = [
        (shop.place_order(product, 3).await.0, "insufficient_stock"),
        (shop.place_order(gone, 1).await.0, "product_not_found"),
    ];
    let request = shop.to_inventory(Method::DELETE, &format!("/products/{gone}"));
    Answer::to(request).await.expect(204);
    for (id, reason) in orders {
        let order = ending(&shop, id).await;
        assert_eq!(
            (&order["status"], &order["reason"]),
            (&"refunded".into(), &reason.into())
        );
    }
    assert_eq!(shop.stock(product).await, 2);
    shop.assert_quiet().await;
}

#[tokio::test]
async fn while_inventory_does_not_answer_a_paid_order_is_not_called_final() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let (paid, _) = shop.place_order(product, 3).await;
    let (refunded, _) = shop.place_order(product, 11).await;
    let serve = shop.system.process("inventory serve");
    serve.kill();

    // The consumer of inventory works without the process that answers HTTP.
    assert_eq!(ending(&shop, refunded).await["status"], "refunded");
    let answer = shop.wait_final(paid, 1).await;
    assert_eq!(
        (answer.text("status").as_str(), answer.header("order-final")),
        ("paid", "false")
    );
    let life = shop.timeline(paid).await;
    assert_eq!(life["degraded"], serde_json::json!(["inventory"]));
    assert_eq!(steps(&life), ["order.created", "order.paid"]);

    // A client that still waits gets its answer as soon as inventory answers again.
    let wait = ending(&shop, paid);
    let restart = async {
        serve.restart().unwrap();
        shop.system.wait_ready().await.unwrap();
    };
    let (order, ()) = tokio::join!(wait, restart);
    assert_eq!(order["status"], "paid");
    assert_eq!(shop.stock(product).await, 7);
    shop.assert_quiet().await;
}

#[tokio::test]
async fn the_timeline_of_an_order_names_the_entries_of_the_streams() {
    let shop = Shop::open().await;
    tell_both_lives(&shop).await;
}

#[tokio::test]
async fn the_timeline_names_the_entries_of_the_streams_of_every_partition() {
    let shop = Shop::open_partitioned(4).await;
    for _ in 0..4 {
        tell_both_lives(&shop).await;
    }
}

/// One order is paid and one is refunded. Asserts what their timelines say.
async fn tell_both_lives(shop: &Shop) {
    let product = shop.create_product("thing", 10).await;
    let (paid, _) = shop.place_order(product, 3).await;
    let (refunded, _) = shop.place_order(product, 11).await;
    assert_eq!(ending(shop, paid).await["status"], "paid");
    assert_eq!(ending(shop, refunded).await["status"], "refunded");
    shop.assert_quiet().await;

    let life = shop.timeline(paid).await;
    assert_eq!(steps(&life), ["order.created", "order.paid", "stock.taken"]);
    assert_eq!(life["degraded"], serde_json::json!([]));
    assert_eq!(life["steps"][1]["event"]["delivery"], "acknowledged");
    assert_completed(shop, paid, &life["steps"][1]).await;
    let taken = &life["steps"][2]["movement"];
    let movement = movement(shop, product, paid).await;
    assert_eq!(
        (&taken["id"], &taken["delta"]),
        (&movement["id"], &movement["delta"])
    );
    assert_eq!(
        (&taken["delta"], &taken["balance"]),
        (&(-3).into(), &7.into())
    );
    assert_eq!(life["steps"][2]["at"], movement["at"]);

    let life = shop.timeline(refunded).await;
    assert_eq!(
        steps(&life),
        ["order.created", "order.paid", "order.refunded"]
    );
    assert_eq!(life["steps"][2]["reason"], "insufficient_stock");
    assert_completed(shop, refunded, &life["steps"][1]).await;
    let refund = &life["steps"][2]["event"];
    let partition = shop.inventory.partitions.of(product);
    let stream = partition.key(RefundOrder::STREAM);
    assert_entry(&shop.inventory.entries(&stream).await, refund, refunded);
    assert_eq!(refund["id"], format!("{refunded}:refund"));
}

async fn assert_completed(shop: &Shop, id: OrderId, step: &Value) {
    let partition = shop.payments.partitions.of(id);
    let stream = partition.key(OrderCompleted::STREAM);
    assert_entry(&shop.payments.entries(&stream).await, &step["event"], id);
    assert_eq!(step["event"]["id"], format!("{id}:completed"));
}

/// The stream has the entry that an event of a timeline names, once, and it is about this order.
fn assert_entry(entries: &[shared::redis::Entry], event: &Value, order: OrderId) {
    let named = entries.iter().filter(|entry| event["entry_id"] == entry.id);
    let [entry] = named.collect::<Vec<_>>()[..] else {
        panic!("{event} is not among {entries:?}");
    };
    let fields = entry.fields.as_ref().unwrap();
    let says = |name: &str, wanted: &str| {
        fields
            .iter()
            .any(|(field, value)| field == name && value == wanted)
    };
    assert!(says("order_id", &order.to_string()), "{entry:?}");
    assert!(says("ce_id", event["id"].as_str().unwrap()), "{entry:?}");
}

/// The one movement of an order, as inventory lists it.
async fn movement(shop: &Shop, product: ProductId, order: OrderId) -> Value {
    let path = format!("/products/{product}/movements");
    let list = Answer::to(shop.to_inventory(Method::GET, &path))
        .await
        .expect(200)
        .json();
    let all = list.as_array().unwrap();
    let of_order: Vec<_> = all
        .iter()
        .filter(|movement| movement["order_id"] == order.to_string())
        .collect();
    assert_eq!(of_order.len(), 1, "{list}");
    of_order[0].clone()
}

#[tokio::test]
async fn the_request_that_placed_an_order_can_be_found_in_both_of_its_events() {
    let shop = Shop::open().await;
    let product = shop.create_product("scarce", 1).await;
    // A trace of a later version of the standard is passed on in the version that the services
    // know.
    let later = TRACEPARENT.replacen("00", "01", 1) + "-more";
    let request = shop
        .order_request(product, 2)
        .header("x-request-id", REQUEST_ID);
    let answer = Answer::to(request.header("traceparent", later))
        .await
        .expect(201);
    assert_eq!(answer.header("x-request-id"), REQUEST_ID);
    assert_eq!(answer.header("traceparent"), TRACEPARENT);
    let id: OrderId = answer.text("id").parse().unwrap();
    assert_eq!(ending(&shop, id).await["status"], "refunded");

    for (store, stream) in [
        (&shop.payments, OrderCompleted::STREAM),
        (&shop.inventory, RefundOrder::STREAM),
    ] {
        assert_eq!(store.column(stream, "order_id").await, [id.to_string()]);
        assert_eq!(
            store.column(stream, "request_id").await,
            [REQUEST_ID],
            "{stream}"
        );
        assert_eq!(
            store.column(stream, "traceparent").await,
            [TRACEPARENT],
            "{stream}"
        );
    }
    let life = shop.timeline(id).await;
    assert_eq!(life["request_id"], REQUEST_ID);
    assert_eq!(life["trace_id"], TRACEPARENT[3..35]);
    shop.assert_quiet().await;
}

#[tokio::test]
async fn a_timeline_shows_how_far_an_event_is() {
    let shop = Shop::start(Shop::builder().without("inventory consume")).await;
    let product = shop.create_product("thing", 10).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    let delivery = || async { shop.timeline(id).await["steps"][1]["event"]["delivery"].clone() };
    // The event was delivered to no consumer, or the group does not exist yet.
    assert!(["waiting", "unknown"].contains(&delivery().await.as_str().unwrap()));
    let answer = shop.wait_final(id, 1).await;
    assert_eq!(
        (answer.text("status").as_str(), answer.header("order-final")),
        ("paid", "false")
    );
    shop.system.process("inventory consume").restart().unwrap();
    eventually("the end", async || delivery().await == "acknowledged").await;
    assert_eq!(shop.timeline(id).await["steps"][2]["type"], "stock.taken");
    shop.assert_quiet().await;
}
