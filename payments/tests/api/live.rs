//! Orders as they change: live streams, long polls, and the life of an order.

use std::time::Duration;

use payments::store::Store;
use reqwest::Method;
use serde_json::Value;
use shared::event::{RefundOrder, RefundReason};
use shared::id::{OrderId, Partitions};
use shared::own_store::all;
use shared::redis::{Command, Redis};
use shared::time::Timestamp;
use shared::trace::{RequestId, TraceParent};
use stack::credentials::User;
use stack::events::{Events, ServerEvent};
use stack::wait::wait_until;

use crate::fake_inventory::{Behaviour, movements, response};
use crate::harness::{Answer, LIMIT, Service};

const CANCELLED: [&str; 2] = ["order.created", "order.cancelled"];

async fn start() -> Service {
    Service::start(&[]).await
}

async fn open(service: &Service) -> Events {
    Events::open(service.request(Method::GET, "/orders/stream")).await.unwrap()
}

async fn resume(service: &Service, last_id: &str) -> Events {
    let request = service.request(Method::GET, "/orders/stream");
    Events::open(request.header("last-event-id", last_id)).await.unwrap()
}

async fn next(events: &mut Events) -> ServerEvent {
    events.next(LIMIT).await.unwrap().expect("the stream has ended")
}

async fn place(service: &Service) -> String {
    let product = service.inventory.product("19.90", 42);
    service.order(product, 2).await.order_id()
}

async fn cancel(service: &Service, id: &str) {
    assert_eq!(service.post(&format!("/orders/{id}/cancel"), "").await.status, 200);
}

/// The store of the service, as another process would use it.
fn redis(service: &Service, user: User) -> Redis {
    Redis::worker(&service.system.payments_redis().url(user).parse().unwrap())
}

async fn refund(service: &Service, id: &str) {
    let order_id: OrderId = id.parse().unwrap();
    let store = Store::new(redis(service, User::Payments), Partitions::NONE);
    let order = store.find_order(order_id).await.unwrap().unwrap();
    let refund = RefundOrder {
        order_id,
        product_id: order.wanted.product_id,
        quantity: order.wanted.quantity,
        reason: RefundReason::InsufficientStock,
        time: Timestamp::from_millis(0),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    };
    store.refund_orders(&[refund], &["7-7"]).await.unwrap();
}

/// Reads every event as inventory would; acknowledges them if so told.
async fn deliver(service: &Service, acknowledge: bool) {
    let operator = redis(service, User::Operator);
    let group = ["order_completed", "inventory-group"];
    let create = Command::new("XGROUP").arg("CREATE").args(group).arg("0").arg("MKSTREAM");
    // It is there already the second time.
    let _ = operator.run(create).await;
    let read = Command::new("XREADGROUP").arg("GROUP").args(["inventory-group", "c"]);
    let read = read.args(["STREAMS", "order_completed", ">"]);
    for entry in operator.run(read).await.unwrap().read_entries().unwrap() {
        if acknowledge {
            let acknowledge = Command::new("XACK").args(group).arg(entry.id);
            operator.run(acknowledge).await.unwrap();
        }
    }
}

/// How many connections the store has.
async fn connections(service: &Service) -> usize {
    let list = Command::new("CLIENT").arg("LIST");
    let list = redis(service, User::Operator).run(list).await.unwrap().text().unwrap();
    list.lines().filter(|line| line.contains("user=payments")).count()
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
        assert_eq!((&order["id"], &order["status"]), (&id.as_str().into(), &status.into()));
        assert_eq!(order["version"], version);
        assert_eq!(order.get("refunded_at").is_some(), status == "refunded");
    }
    let last = service.get(&format!("/orders/{id}")).await;
    assert!(last.text.contains("\"version\":3"), "{last:?}");
}

#[tokio::test]
async fn a_live_stream_goes_on_where_it_was_cut_off() {
    let service = start().await;
    let events = open(&service).await;
    let begin = events.last_id().map(str::to_owned);
    drop(events);
    // Nothing was received yet, and still nothing is missed.
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
async fn a_client_that_missed_too_much_is_told_to_start_over() {
    let service = start().await;
    let mut events = open(&service).await;
    place(&service).await;
    let seen = next(&mut events).await;
    for _ in 0..3 {
        place(&service).await;
    }
    let operator = redis(&service, User::Operator);
    let trim = Command::new("XTRIM").arg("changes").arg("MAXLEN").arg(1);
    operator.run(trim).await.unwrap();
    for lost in [seen.id.as_str(), "99999999999999-0"] {
        let mut events = resume(&service, lost).await;
        let reset = next(&mut events).await;
        assert_eq!((reset.event.as_str(), reset.data.as_str()), ("reset", "{}"));
        // And from there it goes on.
        let id = place(&service).await;
        assert!(next(&mut events).await.data.contains(&id));
        let mut again = resume(&service, &reset.id).await;
        assert!(next(&mut again).await.data.contains(&id));
    }
    for rubbish in ["x", "1", "1-", "-1-0", "1-0.x"] {
        let request = service.request(Method::GET, "/orders/stream");
        let answer = Answer::to(request.header("last-event-id", rubbish)).await;
        answer.problem(400, "invalid-parameter");
    }
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

#[tokio::test]
async fn live_streams_and_long_polls_share_the_connections_of_the_process() {
    let service = start().await;
    let id = place(&service).await;
    let path = format!("/orders/{id}?wait=final");
    let before = connections(&service).await;
    let mut streams = all((0..30).map(|_| open(&service))).await;
    let polls = all((0..30).map(|_| service.get(&path)));
    let act = async {
        assert_eq!(connections(&service).await, before);
        cancel(&service, &id).await;
    };
    let (answers, ()) = tokio::join!(polls, act);
    for answer in answers {
        assert_eq!(answer.json()["status"], "cancelled");
    }
    for events in &mut streams {
        assert_eq!(next(events).await.event, "order.cancelled");
    }
}

#[tokio::test]
async fn a_stop_ends_live_streams_and_answers_long_polls() {
    let service = start().await;
    let id = place(&service).await;
    let mut events = open(&service).await;
    let process = service.system.process("payments serve");
    let path = format!("/orders/{id}?wait=final");
    let poll = service.get(&path);
    let stop = async {
        // The poll has arrived when the store is asked for it; its answer is the same before that.
        process.stop(LIMIT).await.unwrap()
    };
    let ended = async {
        while let Some(event) = events.next(LIMIT).await.unwrap() {
            assert_ne!(event.event, "reset");
        }
    };
    let (answer, status, ()) = tokio::join!(poll, stop, ended);
    assert_eq!(answer.json()["status"], "pending");
    assert_eq!(answer.header("order-final"), "false");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_is_alive() {
    let service = start().await;
    let mut events = open(&service).await;
    // No event comes; what comes is a comment, every 15 s.
    let wait = tokio::time::timeout(Duration::from_secs(18), events.next(LIMIT));
    assert!(wait.await.is_err(), "an event came");
    assert!(events.comments() >= 1);
}

#[tokio::test]
async fn a_long_poll_ends_with_the_order() {
    let service = start().await;
    for (ending, status) in
        [("cancelled", "cancelled"), ("refunded", "refunded"), ("taken", "paid")]
    {
        let product = service.inventory.product("19.90", 42);
        let id = service.order(product, 2).await.order_id();
        let taken = if ending == "taken" { Some(id.as_str()) } else { None };
        let answer = Behaviour::Answer(movements(taken));
        service.inventory.set_movement(&product.to_string(), &id, answer);
        let path = format!("/orders/{id}?wait=final");
        let act = async {
            if ending == "cancelled" {
                return cancel(&service, &id).await;
            }
            assert_eq!(service.complete().await, 1);
            deliver(&service, true).await;
            if ending == "refunded" {
                refund(&service, &id).await;
            }
        };
        let (answer, ()) = tokio::join!(service.get(&path), act);
        assert_eq!((answer.status, answer.header("order-final")), (200, "true"), "{ending}");
        assert_eq!(answer.json()["status"], status);
        // The second time there is nothing to wait for.
        assert_eq!(service.get(&path).await.header("order-final"), "true");
    }
}

#[tokio::test]
async fn a_long_poll_answers_what_there_is_when_its_time_is_up() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let id = service.order(product, 2).await.order_id();
    let path = format!("/orders/{id}?wait=final&timeout=1");
    assert_eq!(service.get(&path).await.json()["status"], "pending");
    assert_eq!(service.complete().await, 1);
    // inventory has it, but has not acted on it.
    deliver(&service, false).await;
    let answer = service.get(&path).await;
    assert_eq!((&answer.json()["status"], answer.header("order-final")), (&"paid".into(), "false"));
    assert!(service.inventory.questions(product).len() == 1, "nobody asks before it has");

    service.get(&format!("/orders/{}?wait=final", OrderId::mint())).await.problem(404, "not-found");
    for query in ["wait=x", "wait=", "wait=final&timeout=0", "wait=final&timeout=31", "timeout=x"] {
        let answer = service.get(&format!("/orders/{id}?{query}")).await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn the_life_of_an_order_is_told_step_by_step() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let body = format!(r#"{{"product_id":"{product}","quantity":2}}"#);
    let request = service.json("/orders", body).header("x-request-id", "req-7");
    let id = Answer::to(request).await.order_id();
    let path = format!("/orders/{id}/timeline");
    let told = service.get(&path).await.json();
    assert_eq!((&told["request_id"], &told["status"]), (&"req-7".into(), &"pending".into()));
    assert_eq!(kinds(&told), ["order.created"]);

    assert_eq!(service.complete().await, 1);
    service.inventory.set_movement(&product.to_string(), &id, Behaviour::Answer(movements(None)));
    wait_delivery(&service, &path, "unknown").await;
    deliver(&service, false).await;
    let paid = wait_delivery(&service, &path, "pending").await;
    assert_eq!(paid["event"]["deliveries"], 1);
    assert_eq!(paid["event"]["id"], format!("{id}:completed"));
    let entry = paid["event"]["entry_id"].as_str().unwrap();
    let find = Command::new("XRANGE").arg("order_completed").args([entry, entry]);
    let found = redis(&service, User::Operator).run(find).await.unwrap().entries().unwrap();
    assert_eq!(found.len(), 1, "the entry that is named is there");

    let taken = Behaviour::Answer(movements(Some(&id)));
    service.inventory.set_movement(&product.to_string(), &id, taken);
    let told = service.get(&path).await.json();
    assert_eq!(kinds(&told), ["order.created", "order.paid", "stock.taken"]);
    assert_eq!(told["steps"][2]["movement"]["delta"], -2);
    assert_eq!(told["degraded"], serde_json::json!([]));

    refund(&service, &id).await;
    let down = Behaviour::Answer(response("500 No", "text/plain", ""));
    service.inventory.set_movement(&product.to_string(), &id, down);
    let told = service.get(&path).await.json();
    assert_eq!(kinds(&told), ["order.created", "order.paid", "order.refunded"]);
    assert_eq!(told["degraded"], serde_json::json!(["inventory"]));
    assert_eq!(told["steps"][2]["reason"], "insufficient_stock");
    assert_eq!(told["steps"][2]["event"]["entry_id"], "7-7");
    service.get(&format!("/orders/{}/timeline", OrderId::mint())).await.problem(404, "not-found");
}

fn kinds(timeline: &Value) -> Vec<&str> {
    let steps = timeline["steps"].as_array().unwrap();
    steps.iter().map(|step| step["type"].as_str().unwrap()).collect()
}

/// Waits until the event of the payment is delivered so far, and answers that step.
async fn wait_delivery(service: &Service, path: &str, delivery: &str) -> Value {
    let step = || async { service.get(path).await.json()["steps"][1].clone() };
    wait_until(delivery, LIMIT, || async { step().await["event"]["delivery"] == delivery })
        .await
        .unwrap();
    step().await
}

#[tokio::test]
async fn a_quote_says_what_an_order_would_cost_and_stores_nothing() {
    let service = start().await;
    let product = service.inventory.product("0.03", 42);
    let body = |quantity: &str| format!(r#"{{"product_id":"{product}","quantity":{quantity}}}"#);
    let quote = service.post("/orders/quote", body("3")).await;
    assert_eq!(quote.status, 200, "{quote:?}");
    let expected = format!(
        r#"{{"product_id":"{product}","quantity":3,"price":0.03,"subtotal":0.09,"fee":0.02,"total":0.11}}"#
    );
    assert_eq!(quote.text, expected);
    assert_eq!(service.count_orders().await, 0);
    let bad = service.post("/orders/quote", body("0")).await;
    assert_eq!(bad.invalid_fields(), ["#/quantity"]);
    let request = service.json("/orders/quote", body("1")).header("idempotency-key", "a b");
    Answer::to(request).await.problem(400, "invalid-parameter");
    let unknown = format!(r#"{{"product_id":"{}","quantity":3}}"#, OrderId::mint());
    service.post("/orders/quote", unknown).await.problem(404, "product-not-found");
}

#[tokio::test]
async fn an_order_is_sent_again_only_when_it_has_changed() {
    let service = start().await;
    let id = place(&service).await;
    let path = format!("/orders/{id}");
    let conditional = |tag: String| {
        let request = service.request(Method::GET, &path).header("if-none-match", tag);
        Answer::to(request)
    };
    let first = service.get(&path).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, "\"1\"");
    let same = conditional(tag.clone()).await;
    assert_eq!((same.status, same.text.as_str(), same.header("etag")), (304, "", tag.as_str()));
    cancel(&service, &id).await;
    let changed = conditional(tag).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
}
