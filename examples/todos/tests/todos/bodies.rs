//! Bodies that are refused, and bodies at the limits.

use regex::Regex;
use serde_json::{Value, json};
use todos::domain::{Description, Title};

use crate::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_body_is_refused_with_every_wrong_field_and_nothing_is_written() {
    let system = System::start().await;
    let id = system.create("Tea").await;
    let path = format!("/todos/{id}?wait=applied");
    let long = |length: usize| "x".repeat(length);
    for (body, fields) in [
        (json!({}), vec!["#/title"]),
        (json!({ "title": "" }), vec!["#/title"]),
        (json!({ "title": "  " }), vec!["#/title"]),
        (json!({ "title": long(101) }), vec!["#/title"]),
        (json!({ "title": "a\u{0}b" }), vec!["#/title"]),
        (
            json!({ "title": 7, "completed": "yes" }),
            vec!["#/completed", "#/title"],
        ),
        (
            json!({ "title": "x", "description": long(256) }),
            vec!["#/description"],
        ),
        (json!({ "title": "x", "id": 7 }), vec!["#/id"]),
        (json!({ "title": "x", "id": "7" }), vec!["#/id"]),
        (json!({ "title": "x", "done": true }), vec!["#/done"]),
    ] {
        let refused = system.site.post("/todos/", body.to_string()).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    for (body, fields) in [
        (json!({ "id": id }), vec!["#/id"]),
        (json!({ "title": null }), vec!["#/title"]),
        (json!({ "completed": null }), vec!["#/completed"]),
        (
            json!({ "title": long(101), "x": 1 }),
            vec!["#/title", "#/x"],
        ),
    ] {
        let refused = system.put(&path, body.clone()).await;
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
    let refused = system.site.post("/todos/", "[]").await;
    refused.problem(400, "malformed-body");
    let refused = system.site.post("/todos/?wait=done", "{}").await;
    refused.problem(400, "invalid-parameter");
    assert_eq!(system.titles().await, ["Tea"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_texts_arrive_unchanged() {
    let system = System::start().await;
    let (title, description) = ("🫖".repeat(100), "ß\n".repeat(127) + "🫖");
    for (title, description) in [
        (title.as_str(), Value::from(description)),
        ("x", Value::from("")),
        ("null", Value::Null),
    ] {
        let body = json!({ "title": title, "description": description }).to_string();
        let created = system.site.post("/todos/?wait=applied", body).await;
        let path = format!("/todos/{}", created.created_id());
        let found = system.site.get(&path).await.json();
        assert_eq!(
            (&found["title"], &found["description"]),
            (&title.into(), &description)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_change_changes_nothing() {
    let system = System::start().await;
    let path = format!("/todos/{}", system.create("Tea").await);
    let before = system.site.get(&path).await.json();
    let changed = system.put(format!("{path}?wait=applied"), json!({}));
    assert_eq!(changed.await.expect(200).json(), before);
}

/// The document tells clients which texts are taken. It must be right about each character.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_admits_exactly_the_texts_that_are_taken() {
    let system = System::start().await;
    let document = system.site.get("/openapi.json").await.json();
    let pattern = |schema: &str, field: &str| {
        let field = &document["components"]["schemas"][schema]["properties"][field];
        Regex::new(field["pattern"].as_str().unwrap()).unwrap()
    };
    for schema in ["NewTodo", "TodoPatch"] {
        let (titles, descriptions) = (pattern(schema, "title"), pattern(schema, "description"));
        for character in '\0'..='\u{ffff}' {
            for text in [character.to_string(), format!("x{character}")] {
                let is_title = text.parse::<Title>().is_ok();
                assert_eq!(titles.is_match(&text), is_title, "{text:?}");
                let is_description = text.parse::<Description>().is_ok();
                assert_eq!(descriptions.is_match(&text), is_description, "{text:?}");
            }
        }
    }
}
