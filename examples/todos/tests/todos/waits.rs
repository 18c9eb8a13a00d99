//! Clients that wait until their changes are applied.

use std::time::Duration;

use futures_util::future::join_all;
use harness::postgres::Postgres;
use serde_json::json;
use todos::config::DatabaseSettings;
use todos::domain::TodoId;
use todos::kafka::Receipt;
use todos::store::{Look, TodoStore};

use crate::system::System;

/// Clients that wait at once: more than three eighths of the connections of the API.
const CLIENTS: usize = 6;
/// The waits that 8 connections admit.
const ADMITTED: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn more_waits_than_allowed_are_refused_before_anything_is_published() {
    let postgres = Postgres::shared().await.unwrap();
    let system = System::start_with(postgres, &[("MAX_CONNECTIONS", "8")]).await;
    system.consume.stop().await.unwrap();
    let body = |client: usize| json!({ "title": format!("todo {client}") }).to_string();
    let posts = (0..CLIENTS).map(|client| system.site.post("/todos/?wait=applied", body(client)));
    let answers = join_all(posts).await;
    let (accepted, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == 202);
    assert_eq!(accepted.len(), ADMITTED, "{answers:#?}");
    for answer in refused {
        answer.assert_unavailable("overloaded");
    }
    // Without a wait there is no limit.
    let last = system.site.post("/todos/", body(CLIENTS)).await;
    last.expect(202);
    system.consume.restart().await.unwrap();
    system.consume.wait_ready().await.unwrap();
    let barrier = json!({ "title": "the end" }).to_string();
    for _ in 0..20 {
        let created = system.site.post("/todos/?wait=applied", barrier.clone());
        created.await.expect(201);
    }
    let titles = system.titles().await;
    let todos = titles.iter().filter(|title| *title != "the end");
    assert_eq!(todos.count(), ADMITTED + 1, "{titles:?}");
}

/// A broker that recognises a message as sent twice does not tell where it keeps the message.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_at_an_unknown_offset_is_never_taken_for_applied() {
    let system = System::start().await;
    let id: TodoId = system.create("Tea").await.parse().unwrap();
    let settings = DatabaseSettings {
        url: system.database_url.parse().unwrap(),
        attempts: 1,
        retry_delay: Duration::ZERO,
    };
    let store = TodoStore::new(&settings);
    let (partition, offset) = (0, -1);
    let look = store.look(Receipt { partition, offset }, id).await;
    assert_eq!(look, Ok(Look::NotYet));
}
