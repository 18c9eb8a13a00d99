//! The five cases by which the first version of this service was tested.

use harness::http::Method;

use crate::harness::System;

#[tokio::test]
async fn post_an_item_and_get_it() {
    let system = System::start(1).await;
    let answer = system
        .post("/items/1", r#"{"value": "tea"}"#)
        .await
        .expect(202);
    let ticket = answer.json();
    assert_eq!(
        answer.header("location"),
        format!("/tickets/{}", ticket["id"].as_str().unwrap())
    );
    assert_eq!(
        (&ticket["item_id"], &ticket["version"]),
        (&"1".into(), &1.into())
    );
    system.ended(&ticket).await;
    let item = system.get("/items/1").await.expect(200);
    assert_eq!(item.text("value"), "tea");
    assert_eq!(item.json()["version"], 1);
    assert_eq!(item.header("etag"), "\"1\"");
}

#[tokio::test]
async fn get_an_item_that_is_missing() {
    let system = System::start(0).await;
    system.get("/items/nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn post_an_item_without_a_value() {
    let system = System::start(0).await;
    for body in ["{}", r#"{"value": null}"#, r#"{"value": 7}"#] {
        let answer = system.post("/items/1", body).await;
        assert_eq!(answer.invalid_fields(), ["#/value"], "{body}");
    }
    let bare = system.ask(Method::POST, "/items/1", &[]).await;
    assert_eq!(bare.invalid_fields(), ["#/value"]);
    assert_nothing_written(&system).await;
}

#[tokio::test]
async fn post_an_item_with_an_empty_value() {
    let system = System::start(0).await;
    let answer = system.post("/items/1", r#"{"value": ""}"#).await;
    assert_eq!(answer.invalid_fields(), ["#/value"]);
    let answer = system.ask(Method::POST, "/items/1?value=", &[]).await;
    assert_eq!(answer.invalid_fields(), ["#/value"]);
    assert_nothing_written(&system).await;
}

#[tokio::test]
async fn overwrite_an_item() {
    let system = System::start(1).await;
    system.write_applied("1", "tea").await;
    let ticket = system.write_applied("1", "coffee").await;
    assert_eq!(ticket["version"], 2);
    assert_eq!(system.value("1").await, "coffee");
}

async fn assert_nothing_written(system: &System) {
    assert_eq!(
        system
            .operate::<u64>(&["EXISTS", "writes", "item:1", "backlog"])
            .await,
        0
    );
    system.get("/items/1").await.problem(404, "not-found");
}
