//! Orders are compared with inventory's records, and what a repair needs.

use payments::domain::Order;
use proof::order_line;
use serde_json::json;
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::OrderId;
use shared::redis::{Command, RedisError};
use shared::store::partition::Partitions;
use stack::credentials::User;

use crate::fake_inventory::{Behaviour, outcome, response};
use crate::harness::{Service, TestStore, only_partition, place, refund};

/// Longer than an order may be under way.
const LONG_AGO_MS: u64 = 10 * 60 * 1_000;

/// A service with one order that was paid long ago.
async fn with_paid_order() -> (Service, String) {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("10", 9);
    let id = service.order(product, 2).await.created_id();
    assert_eq!(service.complete().await, 1);
    age(
        &service,
        &id,
        &[order_line::CREATED_AT, order_line::PAID_AT],
    )
    .await;
    (service, id)
}

/// Moves these times of an order to long ago.
async fn age(service: &Service, id: &str, fields: &[usize]) {
    let long_ago = now(service).await - LONG_AGO_MS;
    let age = |line: &mut Vec<String>| {
        for &field in fields {
            line[field] = long_ago.to_string();
        }
    };
    order_line::change(&service.redis(User::Operator), id, age).await;
}

async fn now(service: &Service) -> u64 {
    let time = service.operate(Command::new("TIME")).await.list().unwrap();
    time[0].unsigned().unwrap() * 1_000
}

/// The kinds of difference on the first page.
async fn audited(service: &Service) -> Vec<String> {
    let audit = service.get("/admin/audit").await.expect(200);
    let body = audit.json();
    let differences = body["differences"].as_array().unwrap().iter();
    differences
        .map(|difference| difference["kind"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_audit_tells_what_inventory_and_an_order_do_not_agree_on() {
    let (service, id) = with_paid_order().await;
    let knows = async |word: &str| {
        service.inventory.record(&id, word);
        audited(&service).await
    };
    assert_eq!(knows("applied").await, [""; 0]);
    assert_eq!(
        knows("forgotten").await,
        ["forgotten_early"],
        "the order is too young for that"
    );
    assert_eq!(knows("unknown").await, ["no_outcome"]);
    assert_eq!(knows("insufficient_stock").await, ["refund_missing"]);
    assert_eq!(knows("released").await, ["refund_missing"]);
    let refund = "refunded 1 product_not_found 1-0";
    let refund = |line: &mut Vec<String>| line.push(refund.to_owned());
    order_line::change(&service.redis(User::Operator), &id, refund).await;
    assert_eq!(knows("applied").await, ["stock_taken"]);
    assert_eq!(knows("product_not_found").await, [""; 0]);
    let misprice = |line: &mut Vec<String>| line[order_line::TOTAL] = "24.01".to_owned();
    order_line::change(&service.redis(User::Operator), &id, misprice).await;
    assert_eq!(knows("released").await, ["wrong_total"]);
    let damage = |line: &mut Vec<String>| drop(line.remove(order_line::QUANTITY));
    order_line::change(&service.redis(User::Operator), &id, damage).await;
    assert_eq!(knows("released").await, ["order_damaged"]);
}

#[tokio::test]
async fn an_audit_shows_the_money_and_leaves_out_what_is_on_its_way() {
    let (service, old) = with_paid_order().await;
    let product = service.inventory.product("10", 9);
    let young = service.order(product, 1).await.created_id();
    assert_eq!(service.complete().await, 1);
    // The cursor of the second page comes from the first.
    service.inventory.record(&young, "unknown");
    service.inventory.record(&old, "applied");
    let first = service.get("/admin/audit?limit=1").await;
    let expected = json!({
        "orders": 1, "charged": 1_200, "refunded": 0,
        "account": { "charged": 3_600, "refunded": 0 }, "differences": [],
    });
    assert_eq!(first.json(), expected);
    let second = service.get(&first.next_page().unwrap()).await;
    assert_eq!(second.json()["charged"], 2_400);
    assert_eq!(second.header("link"), "");
    service
        .get("/admin/audit?cursor=x")
        .await
        .problem(400, "invalid-cursor");
}

#[tokio::test]
async fn an_audit_without_a_sensible_inventory_is_a_problem() {
    let (service, id) = with_paid_order().await;
    let other = OrderId::mint().to_string();
    for nonsense in [
        outcome(&other, "applied"),
        outcome(&id, "sold"),
        response("200 OK", "application/json", "[]"),
    ] {
        service
            .inventory
            .set_outcome(&id, Behaviour::Answer(nonsense));
        service
            .get("/admin/audit")
            .await
            .problem(502, "bad-upstream");
    }
    service.inventory.set_outcome(&id, Behaviour::HangUp);
    service
        .get("/admin/audit")
        .await
        .problem(503, "inventory-unavailable");
}

async fn paid(test: &TestStore) -> Order {
    let order = place(&test.store).await;
    test.store.complete_due(only_partition()).await.unwrap();
    test.store.find_order(order.id).await.unwrap().unwrap()
}

#[tokio::test]
async fn only_the_event_of_a_paid_order_is_emitted_again_and_it_is_the_same_event() {
    let test = TestStore::start(Partitions::NONE).await;
    let order = paid(&test).await;
    assert!(test.store.emit_again(order.id).await.unwrap());
    let mut entries = test.entries(OrderCompleted::STREAM).await;
    let (again, first) = (entries.pop().unwrap(), entries.pop().unwrap());
    assert_eq!(again.fields, first.fields);
    let order_now = test.store.find_order(order.id).await.unwrap().unwrap();
    assert_eq!(order_now.trail.completed_entry, Some(again.id));

    test.store
        .refund_orders(&[refund(&order)], &["1-0"])
        .await
        .unwrap();
    let before = test.dump().await;
    assert!(
        !test.store.emit_again(order.id).await.unwrap(),
        "the order is refunded"
    );
    assert!(
        !test.store.emit_again(OrderId::mint()).await.unwrap(),
        "the order never existed"
    );
    assert_eq!(test.dump().await, before);
}

#[tokio::test]
async fn an_event_that_cannot_be_written_whole_is_not_emitted_again() {
    let test = TestStore::start(Partitions::NONE).await;
    let order = paid(&test).await;
    let fails = async || {
        let before = test.dump().await;
        test.store.emit_again(order.id).await.unwrap_err();
        assert_eq!(test.dump().await, before);
    };
    let mut fee = String::new();
    let lose = |line: &mut Vec<String>| fee = line.remove(order_line::FEE);
    order_line::change(&test.operator, order.id, lose).await;
    fails().await;
    let find = |line: &mut Vec<String>| line.insert(order_line::FEE, fee);
    order_line::change(&test.operator, order.id, find).await;
    test.operate("DEL", OrderCompleted::STREAM).await;
    test.operate("SET", &format!("{} x", OrderCompleted::STREAM))
        .await;
    fails().await;
    test.operate("DEL", OrderCompleted::STREAM).await;
    assert!(test.store.emit_again(order.id).await.unwrap());
}

#[tokio::test]
async fn an_account_that_cannot_be_added_to_holds_the_money_back_and_changes_nothing() {
    let test = TestStore::start(Partitions::NONE).await;
    let order = paid(&test).await;
    let account = test.store.read_account(only_partition()).await.unwrap();
    assert_eq!((account.charged, account.refunded), (7_164, 0));
    let spoiled = [
        ("SET", "account x"),
        ("HSET", "account charged x refunded x"),
        ("HSET", "account charged -1 refunded -1"),
        (
            "HSET",
            "account charged 9223372036854775807 refunded 9223372036854775807",
        ),
    ];
    for (name, words) in spoiled {
        test.operate("DEL", "account").await;
        test.operate("ZADD", &format!("due 1 {}", order.id)).await;
        test.operate(name, words).await;
        let before = test.dump().await;
        let waits = |error: RedisError| assert!(error.did_nothing());
        waits(test.store.complete_due(only_partition()).await.unwrap_err());
        waits(
            test.store
                .refund_orders(&[refund(&order)], &["1-0"])
                .await
                .unwrap_err(),
        );
        assert_eq!(test.dump().await, before, "{words}");
    }
    test.operate("DEL", "account").await;
    test.store
        .refund_orders(&[refund(&order)], &["1-0"])
        .await
        .unwrap();
    let account = test.store.read_account(only_partition()).await.unwrap();
    assert_eq!((account.charged, account.refunded), (0, 7_164));
}
