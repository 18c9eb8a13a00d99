//! The limits of the queue.

use harness::http::Method;

use crate::harness::{System, detail};

#[tokio::test]
async fn a_queue_with_as_many_writes_as_it_may_have_refuses_one_more() {
    let mut system = System::start_with(0, &[("MAX_QUEUED_WRITES", "2")]).await;
    system.write("1", "tea").await;
    system.write("2", "milk").await;
    let refused = system.post("/items/3", r#"{"value": "coffee"}"#).await;
    refused.assert_unavailable("queue-full");
    assert!(
        detail(&refused).starts_with("as many writes"),
        "{refused:?}"
    );
    assert_eq!(system.operate::<u64>(&["XLEN", "writes"]).await, 2);
    assert_eq!(system.operate::<u64>(&["EXISTS", "item:3"]).await, 0);
    let url = system.redis.url_of("items");
    system.add_worker(&url).await;
    system.assert_drained().await;
    system.write_applied("3", "coffee").await;
}

#[tokio::test]
async fn a_refused_write_may_be_repeated_with_its_key() {
    let mut system = System::start_with(0, &[("MAX_QUEUED_WRITES", "1")]).await;
    system.write("1", "tea").await;
    let key = [("idempotency-key", "k1")];
    let body = r#"{"value": "milk"}"#;
    let refused = system.send(Method::POST, "/items/2", &key, body).await;
    refused.assert_unavailable("queue-full");
    let url = system.redis.url_of("items");
    system.add_worker(&url).await;
    system.assert_drained().await;
    let queued = system
        .send(Method::POST, "/items/2", &key, body)
        .await
        .expect(202);
    assert_eq!(queued.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn the_bytes_of_the_values_that_wait_are_bounded() {
    let system = System::start_with(0, &[("MAX_QUEUED_BYTES", "65536")]).await;
    system.write("1", &"v".repeat(65_000)).await;
    let refused = system
        .post("/items/2", format!(r#"{{"value": "{}"}}"#, "v".repeat(537)))
        .await;
    refused.assert_unavailable("queue-full");
    system.write("2", &"v".repeat(536)).await;
}

#[tokio::test]
async fn the_entries_of_the_stream_are_bounded_also_the_applied_ones() {
    let system = System::start_with(1, &[("MAX_STREAM_ENTRIES", "100")]).await;
    for _ in 0..100 {
        system.write("1", "tea").await;
    }
    system.assert_drained().await;
    let refused = system.post("/items/1", r#"{"value": "milk"}"#).await;
    refused.assert_unavailable("queue-full");
    let detail = detail(&refused);
    assert!(
        detail.starts_with("the stream has MAX_STREAM_ENTRIES"),
        "{detail}"
    );
}
