//! Requests that a client repeats with their idempotency key.

use futures_util::future::join_all;
use harness::http::{Answer, Method};
use harness::postgres::Postgres;
use serde_json::json;

use crate::audit::Audit;
use crate::system::System;

/// Clients that send one request at once.
const CLIENTS: usize = 8;

/// Posts a todo with a key.
async fn post(system: &System, path: &str, key: &str, title: &str) -> Answer {
    let body = json!({ "title": title }).to_string();
    let headers = [("idempotency-key", key)];
    system.site.send(Method::POST, path, &headers, &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_with_its_key_creates_one_todo() {
    let system = System::start().await;
    for path in ["/todos/?wait=applied", "/todos/"] {
        let key = format!("key of {path}");
        let key = key.replace(' ', "-");
        let first = post(&system, path, &key, "Tea").await;
        let id = first.text("id");
        let todo = format!("/todos/{id}");
        stack::wait::eventually("the todo", async || {
            system.site.get(&todo).await.status == 200
        })
        .await;
        let change = json!({ "title": "Coffee" });
        let changed = system.put(format!("{todo}?wait=applied"), change);
        changed.await.expect(200);

        let again = post(&system, path, &key, "Tea").await;
        assert_eq!((again.status, again.json()), (first.status, first.json()));
        assert_eq!(again.header("location"), todo);
        assert_eq!(again.header("idempotent-replayed"), "true");
        let other = post(&system, path, &key, "Milk").await;
        other.problem(422, "idempotency-key-reused");
    }
    assert_eq!(system.titles().await, ["Coffee", "Coffee"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_with_one_key_create_one_todo() {
    let system = System::start().await;
    let audit = Audit::begin(system.database().await).await;
    let posts = (0..CLIENTS).map(|_| post(&system, "/todos/?wait=applied", "one", "Tea"));
    let answers = join_all(posts).await;
    let id = answers[0].text("id");
    for answer in &answers {
        assert_eq!(
            (answer.status, answer.text("id")),
            (201, id.clone()),
            "{answer:?}"
        );
    }
    audit.expect(&id, &["INSERT Tea".to_owned()]).await;
    assert_eq!(audit.count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_refused_for_another_id_and_demanded_where_the_settings_say_so() {
    let postgres = Postgres::shared().await.unwrap();
    let system = System::start_with(postgres, &[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let body = json!({ "title": "Tea" }).to_string();
    let refused = system.site.post("/todos/", body).await;
    refused.problem(400, "invalid-parameter");
    let own = |title: &str| {
        let id = "01a1f866-0d7b-7000-8000-2f0d6a1b9c3e";
        json!({ "id": id, "title": title }).to_string()
    };
    let post = async |key: &str, title: &str| {
        let headers = [("idempotency-key", key)];
        let path = "/todos/?wait=applied";
        let body = own(title);
        system.site.send(Method::POST, path, &headers, &body).await
    };
    post("one", "Tea").await.expect(201);
    let again = post("one", "Tea").await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    post("two", "Tea").await.problem(409, "id-taken");
    post("two", "Milk").await.problem(409, "id-taken");
    post("a b", "Milk").await.problem(400, "invalid-parameter");
    assert_eq!(system.titles().await, ["Tea"]);
}
