//! Live streams of orders.

use futures_util::future::join_all;
use proof::order_line;
use reqwest::Method;
use serde_json::Value;
use shared::contract::id::OrderId;
use shared::redis::Command;
use stack::credentials::User;
use stack::events::{Events, ServerEvent};

use crate::harness::{self, LIMIT, Service};

const CANCELLED: [&str; 2] = ["order.created", "order.cancelled"];

pub(crate) async fn start() -> Service {
    Service::start(&[]).await
}

pub(crate) async fn open(service: &Service) -> Events {
    Events::open(service.request(Method::GET, "/orders/stream"))
        .await
        .unwrap()
}

pub(crate) async fn resume(service: &Service, last_id: &str) -> Events {
    let request = service.request(Method::GET, "/orders/stream");
    Events::open(request.header("last-event-id", last_id))
        .await
        .unwrap()
}

pub(crate) async fn next(events: &mut Events) -> ServerEvent {
    events
        .next(LIMIT)
        .await
        .unwrap()
        .expect("the stream has ended")
}

pub(crate) async fn place(service: &Service) -> String {
    let product = service.inventory.product("19.90", 42);
    service.order(product, 2).await.created_id()
}

pub(crate) async fn cancel(service: &Service, id: &str) {
    service.cancel(id).await.expect(200);
}

pub(crate) async fn refund(service: &Service, id: &str) {
    let order_id: OrderId = id.parse().unwrap();
    let store = service.store();
    let order = store.find_order(order_id).await.unwrap().unwrap();
    let refund = harness::refund(&order);
    store.refund_orders(&[refund], &["7-7"]).await.unwrap();
}

#[tokio::test]
async fn a_live_stream_shows_each_order_as_it_stood_after_each_change() {
    let service = start().await;
    let mut events = open(&service).await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert_eq!(events.header("cache-control"), "no-store");
    let id = place(&service).await;
    assert_eq!(service.complete().await, 1);
    refund(&service, &id).await;
    for (kind, status, version) in [
        ("order.created", "pending", 1),
        ("order.paid", "paid", 2),
        ("order.refunded", "refunded", 3),
    ] {
        let event = next(&mut events).await;
        assert_eq!(event.event, kind);
        let order: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(
            (&order["id"], &order["status"]),
            (&id.as_str().into(), &status.into())
        );
        assert_eq!(order["version"], version);
        assert_eq!(order.get("refunded_at").is_some(), status == "refunded");
    }
    let last = service.get(&format!("/orders/{id}")).await;
    assert!(last.body.contains("\"version\":3"), "{last:?}");
}

#[tokio::test]
async fn a_live_stream_goes_on_where_it_was_cut_off() {
    let service = start().await;
    let events = open(&service).await;
    let begin = events.last_id().map(str::to_owned);
    drop(events);
    // The client has received no event yet, and misses none.
    let first = place(&service).await;
    let begin = begin.unwrap_or_else(|| "0-0".to_owned());
    let mut events = resume(&service, &begin).await;
    let created = next(&mut events).await;
    assert!(created.data.contains(&first), "{created:?}");
    drop(events);

    cancel(&service, &first).await;
    let second = place(&service).await;
    cancel(&service, &second).await;
    let mut events = resume(&service, &created.id).await;
    let third = place(&service).await;
    let mut found = Vec::new();
    for _ in 0..4 {
        let event = next(&mut events).await;
        let order: Value = serde_json::from_str(&event.data).unwrap();
        found.push((event.event, order["id"].as_str().unwrap().to_owned()));
    }
    let expected = [
        (CANCELLED[1], first),
        (CANCELLED[0], second.clone()),
        (CANCELLED[1], second),
        (CANCELLED[0], third),
    ];
    assert_eq!(found, expected.map(|(kind, id)| (kind.to_owned(), id)));
}

#[tokio::test]
async fn a_client_that_was_cut_off_between_two_changes_of_one_step_goes_on_between_them() {
    let service = start().await;
    let mut events = open(&service).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(place(&service).await);
        assert_eq!(next(&mut events).await.event, "order.created");
    }
    assert_eq!(service.complete().await, 20);
    let mut told = Vec::new();
    for id in &ids {
        let event = next(&mut events).await;
        assert!(
            event.event == "order.paid" && event.data.contains(id.as_str()),
            "{event:?}"
        );
        assert!(
            told.iter()
                .all(|before: &ServerEvent| before.id != event.id),
            "{event:?}"
        );
        told.push(event);
    }
    for seen in [0, 6, 15, 18] {
        let mut events = resume(&service, &told[seen].id).await;
        for expected in &told[seen + 1..] {
            assert_eq!(next(&mut events).await, *expected);
        }
    }
}

#[tokio::test]
async fn a_client_that_missed_too_much_is_told_to_start_over() {
    let service = start().await;
    let mut events = open(&service).await;
    place(&service).await;
    let seen = next(&mut events).await;
    for _ in 0..3 {
        place(&service).await;
    }
    let trim = Command::new("XTRIM").arg("changes").arg("MAXLEN").arg(1);
    service.operate(trim).await;
    for lost in [seen.id.as_str(), "99999999999999-0"] {
        let mut events = resume(&service, lost).await;
        let reset = next(&mut events).await;
        assert_eq!((reset.event.as_str(), reset.data.as_str()), ("reset", "{}"));
        // The stream goes on from there.
        let id = place(&service).await;
        assert!(next(&mut events).await.data.contains(&id));
        let mut again = resume(&service, &reset.id).await;
        assert!(next(&mut again).await.data.contains(&id));
    }
}

/// Adds changes of one order to the stream `changes`.
async fn change(service: &Service, id: &str, count: usize) {
    let operator = service.redis(User::Operator);
    let add = |_| {
        let add = Command::new("XADD").arg("changes").arg("*");
        operator.run(add.args(["kind", "order.created", "ids", id]))
    };
    for result in join_all((0..count).map(add)).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn what_was_missed_comes_page_by_page_and_too_much_of_it_is_not_repeated() {
    let service = start().await;
    let mut events = open(&service).await;
    let id = place(&service).await;
    let seen = next(&mut events).await;
    drop(events);
    change(&service, &id, 450).await;
    // The feed leaves out changes that it cannot show, and goes on.
    change(&service, "no-order", 150).await;
    let damaged = place(&service).await;
    let damage = |line: &mut Vec<String>| line[order_line::PRICE] = "x".to_owned();
    order_line::change(&service.redis(User::Operator), &damaged, damage).await;
    let last = place(&service).await;
    let mut events = resume(&service, &seen.id).await;
    for _ in 0..450 {
        assert!(next(&mut events).await.data.contains(&id));
    }
    let event = next(&mut events).await;
    assert!(event.data.contains(&last), "{event:?}");
    cancel(&service, &last).await;
    assert_eq!(next(&mut events).await.event, "order.cancelled");

    let seen = events.last_id().unwrap().to_owned();
    drop(events);
    change(&service, &id, 1_000).await;
    let mut events = resume(&service, &seen).await;
    for _ in 0..1_000 {
        assert!(next(&mut events).await.data.contains(&id));
    }
    drop(events);
    change(&service, &id, 1).await;
    let mut events = resume(&service, &seen).await;
    let first = next(&mut events).await;
    assert_eq!(
        first.event, "reset",
        "nothing is sent that a reset makes worthless"
    );
}

#[tokio::test]
async fn a_damaged_order_does_not_stop_the_live_streams_of_others() {
    let service = start().await;
    let mut events = open(&service).await;
    let (damaged, other) = (place(&service).await, place(&service).await);
    for id in [&damaged, &other] {
        assert!(next(&mut events).await.data.contains(id.as_str()));
    }
    let damage = |line: &mut Vec<String>| line[order_line::PRICE] = "x".to_owned();
    order_line::change(&service.redis(User::Operator), &damaged, damage).await;
    change(&service, &damaged, 1).await;
    cancel(&service, &other).await;
    let event = next(&mut events).await;
    assert!(event.data.contains(&other), "{event:?}");
}

#[tokio::test]
async fn a_store_that_comes_back_goes_on_telling_what_changes() {
    let service = start().await;
    let mut events = open(&service).await;
    let id = place(&service).await;
    assert!(next(&mut events).await.data.contains(&id));
    service.system.payments_redis().kill();
    service.system.payments_redis().restart().await.unwrap();
    service.system.wait_ready().await.unwrap();
    cancel(&service, &id).await;
    assert_eq!(next(&mut events).await.event, "order.cancelled");
}
