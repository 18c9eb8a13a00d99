//! The document, the pages and the paths.

use std::collections::BTreeSet;

use ::harness::http::{Answer, Method};
use serde_json::Value;

use crate::harness::Records;

const PATHS: [(&str, &str); 5] = [
    ("/create-record/", "post"),
    ("/get-record/", "get"),
    ("/delete-record/", "delete"),
    ("/increment-value/", "post"),
    ("/decrement-value/", "post"),
];

#[tokio::test]
async fn the_document_describes_exactly_the_five_operations() {
    let records = Records::start().await;
    let document = records.page("/openapi.json").await.expect(200).json();
    let operations: BTreeSet<(&str, &str)> = members(&document["paths"])
        .flat_map(|(path, operations)| members(operations).map(move |(method, _)| (path, method)))
        .collect();
    assert_eq!(operations, BTreeSet::from(PATHS));
    for (path, method) in PATHS {
        let operation = &document["paths"][path][method];
        for parameter in operation["parameters"].as_array().unwrap() {
            assert_ne!(parameter["description"].as_str(), None, "{parameter}");
        }
        for (status, answer) in members(&operation["responses"]) {
            assert_ne!(answer["description"].as_str(), None, "{path} {status}");
        }
    }
    let get = document["paths"]["/get-record/"]["get"].to_string();
    assert!(
        get.contains("cache_hit") && get.contains("cache_miss"),
        "{get}"
    );
    let explorer = records.page("/docs").await.expect(200);
    assert!(explorer.body.contains("/increment-value/"));
    assert_eq!(records.page("/asyncapi.yaml").await.status, 404);
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_and_each_kind_has_a_page() {
    let records = Records::start().await;
    records
        .page("/get-records/")
        .await
        .problem(404, "not-found");
    records.create("k", 1).await;
    // A slash at the end of a path makes no difference.
    for path in ["/get-record", "/get-record/"] {
        let found = records.page(&format!("{path}?user_id=u&key=k")).await;
        assert_eq!(found.expect(200).json()["value"], 1);
    }
    for (path, method) in PATHS {
        let wrong = if method == "get" {
            Method::POST
        } else {
            Method::GET
        };
        let refused = Answer::to(records.request(wrong, path)).await;
        refused.problem(405, "method-not-allowed");
        assert!(
            refused.header("allow").contains(&method.to_uppercase()),
            "{refused:?}"
        );
    }
    for page in [
        "/problems/record-exists",
        "/problems/out-of-range",
        "/problems/not-found",
    ] {
        records.page(page).await.expect(200);
    }
    for probe in ["/livez", "/readyz", "/version"] {
        records.page(probe).await.expect(200);
    }
    let ready = records.page("/readyz?verbose").await.expect(200).body;
    assert!(
        ready.contains("postgres: ok") && ready.contains("cache: ok"),
        "{ready}"
    );
}

#[tokio::test]
async fn a_process_finishes_its_work_and_ends_with_status_0() {
    let records = Records::start().await;
    records.create("k", 1).await;
    records.member.stop().await.unwrap();
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, member)| (name.as_str(), member))
}
