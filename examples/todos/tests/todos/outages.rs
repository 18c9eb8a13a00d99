//! The broker or the database is away for a while.

use std::sync::Arc;
use std::time::Duration;

use harness::postgres::Postgres;
use serde_json::json;
use stack::wait::eventually;
use uuid::Uuid;

use crate::audit::Audit;
use crate::system::{PUBLISH_TIMEOUT, System};

/// What an answer may take beyond the limit that it waits for, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn without_the_broker_a_change_is_answered_in_time_as_unknown_and_todos_are_read() {
    let system = System::start().await;
    let path = format!("/todos/{}", system.create("Tea").await);
    system.broker.kill();
    let body = |title: &str| json!({ "title": title }).to_string();
    let (posted, put, deleted) = tokio::join!(
        system.site.post("/todos/", body("Coffee")),
        system.put(&path, json!({ "description": "green" })),
        system.site.delete(&path),
    );
    for answer in [posted, put, deleted] {
        answer.assert_unavailable("broker-unavailable");
        assert!(answer.text("detail").ends_with("is unknown"), "{answer:?}");
        assert!(answer.took < PUBLISH_TIMEOUT + SLACK, "{:?}", answer.took);
    }
    eventually("the reason in the log", async || {
        system.serve.logs().contains("no broker can be reached")
    })
    .await;
    assert_eq!(
        system.site.get(&path).await.expect(200).text("title"),
        "Tea"
    );
    system.site.get("/readyz").await.expect(200);

    system.broker.restart().await.unwrap();
    eventually("an answer of the broker", async || {
        let posted = system.site.post("/todos/?wait=applied", body("Milk")).await;
        posted.status == 201
    })
    .await;
    assert!(system.titles().await.contains(&"Milk".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_repeats_an_unknown_change_with_its_own_id_creates_one_todo() {
    let system = System::start().await;
    let body = json!({ "id": Uuid::now_v7(), "title": "Tea" }).to_string();
    system.broker.kill();
    let unknown = system.site.post("/todos/", body.clone()).await;
    unknown.assert_unavailable("broker-unavailable");
    system.broker.restart().await.unwrap();
    eventually("the todo", async || {
        let answer = system.site.post("/todos/?wait=applied", body.clone()).await;
        [201, 409].contains(&answer.status)
    })
    .await;
    assert_eq!(system.titles().await, ["Tea"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_changes_are_kept_by_the_broker_and_applied_later() {
    let postgres = Arc::new(Postgres::start().await.unwrap());
    let system = System::start_on(postgres.clone()).await;
    let audit = Audit::begin(system.database().await).await;
    let path = format!("/todos/{}", system.create("Tea").await);
    postgres.kill();
    eventually("the refusal", async || {
        system.site.get(&path).await.status == 503
    })
    .await;
    let unavailable = "database-unavailable";
    system
        .site
        .get("/todos/")
        .await
        .assert_unavailable(unavailable);
    system
        .put(&path, json!({}))
        .await
        .assert_unavailable(unavailable);
    let own_id = json!({ "id": Uuid::now_v7(), "title": "x" }).to_string();
    let refused = system.site.post("/todos/", own_id).await;
    refused.assert_unavailable(unavailable);
    system.site.get("/readyz").await.expect(503);
    // A new id needs no question, so the todo is accepted. It waits in the broker.
    let mut accepted = Vec::new();
    for number in 0..10 {
        let body = json!({ "title": format!("waiting {number}") }).to_string();
        accepted.push(
            system
                .site
                .post("/todos/", body)
                .await
                .expect(202)
                .text("id"),
        );
    }
    eventually("the consumer at the closed database", async || {
        system
            .consume
            .logs()
            .contains("no message is applied; trying again")
    })
    .await;

    postgres.restart().await.unwrap();
    for (number, id) in accepted.iter().enumerate() {
        eventually("a todo that waited", async || {
            system.site.get(&format!("/todos/{id}")).await.status == 200
        })
        .await;
        audit
            .expect(id, &[format!("INSERT waiting {number}")])
            .await;
    }
    assert_eq!(system.titles().await.len(), 11);
    system.consume.wait_ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_waits_while_the_database_fails_is_told_that_the_change_is_accepted() {
    let postgres = Arc::new(Postgres::start().await.unwrap());
    let system = System::start_on(postgres.clone()).await;
    postgres.kill();
    let body = json!({ "title": "Tea" }).to_string();
    let accepted = system.site.post("/todos/?wait=applied", body).await;
    let id = accepted.expect(202).text("id");
    postgres.restart().await.unwrap();
    eventually("the todo", async || {
        system.site.get(&format!("/todos/{id}")).await.status == 200
    })
    .await;
}
