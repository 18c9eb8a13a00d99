//! Tickets: what they tell, how long they are kept, and waiting for them.

use std::time::{Duration, Instant};

use harness::http::Method;
use serde_json::Value;
use stack::wait::eventually;

use crate::harness::System;

/// The seconds of 24 hours.
const DAY: u64 = 24 * 60 * 60;
/// Most memory of a ticket whose write was applied and whose item has a short name. One that is not
/// compact takes more.
const TICKET_BYTES: u64 = 400;

fn id(ticket: &Value) -> &str {
    ticket["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_ticket_tells_that_a_write_waits_and_then_that_it_was_applied() {
    let mut system = System::start(0).await;
    let ticket = system.write("1", "tea").await;
    let path = format!("/tickets/{}", id(&ticket));
    let queued = system.get(&path).await.expect(200).json();
    assert_eq!(queued, ticket);
    assert_eq!(queued["status"], "queued");
    assert!(queued.get("ended_at").is_none() && queued.get("superseded").is_none());
    system.get("/items/1").await.problem(404, "not-found");
    let url = system.redis.url_of("items");
    system.add_worker(&url).await;
    let applied = system.ended(&ticket).await;
    assert_eq!(
        (&applied["status"], &applied["superseded"]),
        (&"applied".into(), &false.into())
    );
    assert!(applied["ended_at"].as_str().unwrap() >= applied["queued_at"].as_str().unwrap());
    assert_eq!(system.value("1").await, "tea");
}

#[tokio::test]
async fn a_ticket_waits_without_a_limit_and_is_kept_for_24_hours_after_its_end() {
    let mut system = System::start(0).await;
    let ticket = system.write("1", "tea").await;
    let key = format!("ticket:{}", id(&ticket));
    assert_eq!(
        system.operate::<i64>(&["TTL", &key]).await,
        -1,
        "a queued write has its value here"
    );
    let url = system.redis.url_of("items");
    system.add_worker(&url).await;
    system.ended(&ticket).await;
    let ttl: u64 = system.operate(&["TTL", &key]).await;
    assert!((DAY - 60..=DAY).contains(&ttl), "{ttl}");
    assert_eq!(
        system.operate::<u64>(&["HEXISTS", &key, "value"]).await,
        0,
        "the item has the value"
    );
}

/// A hash with a long value takes several times the memory of a compact one, and stays so.
#[tokio::test]
async fn the_ticket_of_a_long_value_is_compact_once_the_write_has_ended() {
    let system = System::start(1).await;
    let ticket = system.write_applied("1", &"v".repeat(1_000)).await;
    let key = format!("ticket:{}", id(&ticket));
    let encoding: String = system.operate(&["OBJECT", "ENCODING", &key]).await;
    assert_eq!(encoding, "listpack");
    let bytes: u64 = system.operate(&["MEMORY", "USAGE", &key]).await;
    assert!(bytes <= TICKET_BYTES, "{bytes}");
    assert_eq!(system.ended(&ticket).await, ticket);
}

#[tokio::test]
async fn the_more_tickets_are_kept_the_shorter_each_is_kept() {
    let system = System::start_with(1, &[("MAX_TICKETS", "100")]).await;
    let ttl = async |ticket: &Value| -> u64 {
        let key = format!("ticket:{}", id(ticket));
        system.operate(&["TTL", &key]).await
    };
    // These tickets were removed long ago, so they do not count.
    let _: u64 = system.operate(&["HSET", "kept_tickets", "1", "1000"]).await;
    let first = ttl(&system.write_applied("1", "tea").await).await;
    assert!((DAY - 60..=DAY).contains(&first), "{first}");
    assert_eq!(
        system
            .operate::<u64>(&["HEXISTS", "kept_tickets", "1"])
            .await,
        0
    );
    for _ in 0..74 {
        system.write("1", "tea").await;
    }
    system.assert_drained().await;
    let middle = ttl(&system.write_applied("1", "tea").await).await;
    assert!((DAY / 2 - 60..=DAY / 2).contains(&middle), "{middle}");
    for _ in 0..24 {
        system.write("1", "tea").await;
    }
    system.assert_drained().await;
    let last = ttl(&system.write_applied("1", "tea").await).await;
    assert!((30..=60).contains(&last), "{last}");
    let steps: u64 = system.operate(&["HLEN", "kept_tickets"]).await;
    assert!(steps <= 62, "{steps}");
}

#[tokio::test]
async fn a_ticket_that_does_not_exist_is_answered_404() {
    let system = System::start(0).await;
    for id in ["01a1f866-0d7b-7000-8000-2f0d6a1b9c3e", "1", "..%2Fitems"] {
        system
            .get(&format!("/tickets/{id}"))
            .await
            .problem(404, "not-found");
    }
    let path = "/tickets/01a1f866-0d7b-7000-8000-2f0d6a1b9c3e?wait=applied";
    system.get(path).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_wait_ends_when_the_write_is_applied() {
    let system = System::start(1).await;
    let ticket = system.write_applied("1", "tea").await;
    assert_eq!(ticket["version"], 1);
    assert_eq!(
        system.value("1").await,
        "tea",
        "what was waited for can be read"
    );
    let again = system
        .get(&format!("/tickets/{}?wait=applied", id(&ticket)))
        .await;
    assert_eq!(again.expect(200).json(), ticket);
}

#[tokio::test]
async fn a_wait_without_a_worker_ends_at_its_limit() {
    let system = System::start(0).await;
    let began = Instant::now();
    let answer = system
        .post("/items/1?wait=applied&timeout=1", r#"{"value": "tea"}"#)
        .await;
    let ticket = answer.expect(202).json();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(ticket["status"], "queued");
    let path = format!("/tickets/{}?wait=applied&timeout=1", id(&ticket));
    assert_eq!(system.get(&path).await.expect(200).text("status"), "queued");
    for timeout in ["0", "31", "a"] {
        let path = format!("/items/1?value=a&wait=applied&timeout={timeout}");
        let refused = system.ask(Method::POST, &path, &[]).await;
        refused.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_wait_of_one_process_ends_when_the_process_stops() {
    let system = System::start(0).await;
    let ticket = system.write("1", "tea").await;
    let path = format!("/tickets/{}?wait=applied&timeout=30", id(&ticket));
    let began = Instant::now();
    let (answer, ()) = tokio::join!(system.get(&path), async {
        eventually("the request waits", async || {
            let readers: String = system.operate(&["CLIENT", "LIST"]).await;
            readers.contains("cmd=xread")
        })
        .await;
        system.api.stop().await.unwrap();
    });
    assert_eq!(answer.expect(200).text("status"), "queued");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_repeated_request_is_answered_with_the_same_ticket_and_queues_nothing() {
    let system = System::start(1).await;
    let key = [("idempotency-key", "k1")];
    let body = r#"{"value": "tea"}"#;
    let first = system
        .send(Method::POST, "/items/1", &key, body)
        .await
        .expect(202);
    assert_eq!(first.header("idempotent-replayed"), "");
    system.ended(&first.json()).await;
    let again = system
        .send(Method::POST, "/items/1", &key, body)
        .await
        .expect(202);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        (&again.body, again.header("location")),
        (&first.body, first.header("location"))
    );
    let waited = system
        .send(Method::POST, "/items/1?wait=applied", &key, body)
        .await
        .expect(200);
    assert_eq!(waited.header("idempotent-replayed"), "true");
    assert_eq!(waited.text("status"), "applied");
    for (path, body) in [("/items/1", r#"{"value": "milk"}"#), ("/items/2", body)] {
        let other = system.send(Method::POST, path, &key, body).await;
        other.problem(422, "idempotency-key-reused");
    }
    assert_eq!(system.operate::<u64>(&["XLEN", "writes"]).await, 1);
    assert_eq!(system.value("1").await, "tea");
}

#[tokio::test]
async fn a_repeated_request_is_answered_while_the_first_one_waits() {
    let system = System::start(0).await;
    let key = [("idempotency-key", "k1")];
    let body = r#"{"value": "tea"}"#;
    let path = "/items/1?wait=applied&timeout=5";
    let (first, again) = tokio::join!(system.send(Method::POST, path, &key, body), async {
        eventually("the write is queued", async || {
            system.operate::<u64>(&["XLEN", "writes"]).await == 1
        })
        .await;
        system.send(Method::POST, "/items/1", &key, body).await
    });
    assert_eq!(again.expect(202).json(), first.expect(202).json());
}

/// A name has no line break, and a value may begin like the rest of another name.
#[tokio::test]
async fn a_key_belongs_to_one_name_and_one_value_wherever_a_space_divides_them() {
    let system = System::start(0).await;
    let key = [("idempotency-key", "k1")];
    let first = system.send(Method::POST, "/items/a", &key, r#"{"value": "b c"}"#);
    first.await.expect(202);
    let other = system.send(Method::POST, "/items/a%20b", &key, r#"{"value": "c"}"#);
    other.await.problem(422, "idempotency-key-reused");
    assert_eq!(system.operate::<u64>(&["XLEN", "writes"]).await, 1);
}

#[tokio::test]
async fn a_repeated_request_whose_ticket_was_removed_is_told_that_its_write_has_ended() {
    let system = System::start(1).await;
    let key = [("idempotency-key", "k1")];
    let body = r#"{"value": "tea"}"#;
    let path = "/items/1?wait=applied";
    let ticket = system
        .send(Method::POST, path, &key, body)
        .await
        .expect(200);
    let ticket = format!("ticket:{}", ticket.text("id"));
    assert_eq!(system.operate::<u64>(&["DEL", &ticket]).await, 1);
    for path in [path, "/items/1"] {
        let again = system.send(Method::POST, path, &key, body).await;
        again.problem(410, "write-ended");
    }
    assert_eq!(system.operate::<u64>(&["XLEN", "writes"]).await, 1);
}

#[tokio::test]
async fn a_write_that_cannot_be_applied_fails_its_ticket_and_becomes_a_dead_letter() {
    let mut system = System::start(0).await;
    let ticket = system.write("broken", "tea").await;
    let beside = system.write("whole", "milk").await;
    let _: String = system.operate(&["SET", "item:broken", "not a hash"]).await;
    let url = system.redis.url_of("items");
    system.add_worker(&url).await;
    let failed = system.ended(&ticket).await;
    assert_eq!(failed["status"], "failed");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.starts_with("damaged: "), "{reason}");
    assert_eq!(system.ended(&beside).await["status"], "applied");
    system.assert_drained().await;
    assert_eq!(system.operate::<u64>(&["XLEN", "dead_letters"]).await, 1);
    let key = format!("ticket:{}", id(&ticket));
    let ttl: u64 = system.operate(&["TTL", &key]).await;
    assert!((DAY - 60..=DAY).contains(&ttl), "{ttl}");
}

#[tokio::test]
async fn a_reader_that_has_the_version_is_answered_304() {
    let system = System::start(1).await;
    system.write_applied("1", "tea").await;
    let known = system
        .get_with("/items/1", &[("if-none-match", "\"1\"")])
        .await
        .expect(304);
    assert_eq!((known.header("etag"), &*known.body), ("\"1\"", ""));
    system.write_applied("1", "milk").await;
    let new = system
        .get_with("/items/1", &[("if-none-match", "\"1\"")])
        .await
        .expect(200);
    assert_eq!(new.header("etag"), "\"2\"");
    let other = system.get_with("/items/1", &[("if-match", "\"1\"")]).await;
    other.problem(412, "precondition-failed");
}
