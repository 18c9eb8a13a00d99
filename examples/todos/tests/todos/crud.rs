//! Creating, reading, changing and deleting todos.

use serde_json::{Value, json};
use stack::wait::eventually;
use uuid::Uuid;

use crate::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn a_todo_is_created_read_changed_and_deleted() {
    let system = System::start().await;
    let greeting = system.site.get("/").await.expect(200).json();
    assert_eq!(greeting, json!({ "Hello": "PanaCloud Todo 2" }));

    let body = json!({ "title": "Tea", "description": "green" });
    let created = system
        .site
        .post("/todos/?wait=applied", body.to_string())
        .await;
    let id = created.created_id();
    let path = format!("/todos/{id}");
    assert_eq!(created.header("location"), path);
    let mut todo = json!({ "id": id, "title": "Tea", "description": "green", "completed": false });
    assert_eq!(created.json(), todo);
    assert_eq!(system.site.get(&path).await.expect(200).json(), todo);

    let changed = system.put(format!("{path}?wait=applied"), json!({ "completed": true }));
    todo["completed"] = true.into();
    assert_eq!(changed.await.expect(200).json(), todo);
    assert_eq!(system.site.get(&path).await.json(), todo);
    let removed = json!({ "title": "Coffee", "description": null });
    let removed = system.put(format!("{path}?wait=applied"), removed).await;
    todo["title"] = "Coffee".into();
    todo["description"] = Value::Null;
    assert_eq!(removed.expect(200).json(), todo);
    assert_eq!(system.site.get("/todos/").await.json(), json!([todo]));

    let deleted = system.site.delete(&format!("{path}?wait=applied")).await;
    assert_eq!(deleted.expect(204).body, "");
    system.site.get(&path).await.problem(404, "not-found");
    assert_eq!(system.site.get("/todos/").await.json(), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_accepted_at_once_and_can_be_read_a_moment_later() {
    let system = System::start().await;
    let body = json!({ "title": "Tea" }).to_string();
    let accepted = system.site.post("/todos/", body).await.expect(202);
    let (id, path) = (accepted.text("id"), accepted.header("location").to_owned());
    assert_eq!(path, format!("/todos/{id}"));
    let todo = json!({ "id": id, "title": "Tea", "description": null, "completed": false });
    assert_eq!(accepted.json(), todo);
    eventually("the todo", async || {
        system.site.get(&path).await.status == 200
    })
    .await;

    let accepted = system.put(&path, json!({ "title": "Coffee" })).await;
    assert_eq!(accepted.expect(202).text("title"), "Coffee");
    eventually("the change", async || {
        system.site.get(&path).await.text("title") == "Coffee"
    })
    .await;

    system.site.delete(&path).await.expect(202);
    eventually("the deletion", async || {
        system.site.get(&path).await.status == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_choose_the_id_and_no_other_todo_gets_it() {
    let system = System::start().await;
    let id = Uuid::now_v7().to_string();
    let body = |title: &str| json!({ "id": id, "title": title }).to_string();
    let created = system.site.post("/todos/?wait=applied", body("mine")).await;
    assert_eq!(created.created_id(), id);
    for path in ["/todos/", "/todos/?wait=applied"] {
        let refused = system.site.post(path, body("another")).await;
        refused.problem(409, "id-taken");
    }
    assert_eq!(system.titles().await, ["mine"]);

    // After its deletion the id is free.
    let path = format!("/todos/{id}?wait=applied");
    system.site.delete(&path).await.expect(204);
    let created = system
        .site
        .post("/todos/?wait=applied", body("again"))
        .await;
    assert_eq!(created.created_id(), id);
    assert_eq!(system.titles().await, ["again"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_todo_that_is_missing_is_answered_404_and_nothing_is_published() {
    let system = System::start().await;
    let missing = format!("/todos/{}", Uuid::now_v7());
    for path in [&missing, "/todos/7", "/todos/x"] {
        system.site.get(path).await.problem(404, "not-found");
        system.site.delete(path).await.problem(404, "not-found");
        let changed = system.put(path, json!({ "title": "x" })).await;
        changed.problem(404, "not-found");
    }
    system.create("Tea").await;
    let messages = sqlx::query_scalar("SELECT sum(next_offset)::bigint FROM positions");
    let messages: i64 = messages.fetch_one(&system.database().await).await.unwrap();
    assert_eq!(messages, 1, "more than one message was published");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_has_pages_in_the_order_of_ids() {
    let system = System::start().await;
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(system.create(&format!("todo {number}")).await);
    }
    ids.sort_unstable();
    let pages = system.site.pages("/todos/?limit=3").await;
    let sizes: Vec<usize> = pages.iter().map(|page| page.items().len()).collect();
    assert_eq!(sizes, [3, 3, 1]);
    let id = |todo: Value| todo["id"].as_str().unwrap().to_owned();
    let items = pages.iter().flat_map(|page| page.items());
    assert_eq!(items.map(id).collect::<Vec<_>>(), ids);
    let refused = system.site.get("/todos/?cursor=x").await;
    refused.problem(400, "invalid-cursor");
    let refused = system.site.get("/todos/?limit=101").await;
    refused.problem(400, "invalid-parameter");
}
