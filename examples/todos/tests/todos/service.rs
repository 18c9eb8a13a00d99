//! What both processes answer beside the API, and how they end.

use std::process::Command;

use harness::member::Member;
use serde_json::{Value, json};
use shared::http::problem::KINDS;

use crate::system::{System, todos};

#[tokio::test(flavor = "multi_thread")]
async fn the_explorer_the_document_and_the_pages_of_problems_are_there() {
    let system = System::start().await;
    let docs = system.site.get("/docs").await.expect(200);
    assert!(docs.header("content-type").starts_with("text/html"));
    let document = system.site.get("/openapi.json").await.expect(200).json();
    for (path, methods) in [
        ("/", vec!["get"]),
        ("/todos/", vec!["get", "post"]),
        ("/todos/{todo_id}", vec!["delete", "get", "put"]),
    ] {
        let operations = document["paths"][path].as_object().unwrap();
        let mut found: Vec<&str> = operations.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, methods, "{path}");
        for (method, operation) in operations {
            for part in ["summary", "operationId", "tags"] {
                assert_ne!(operation[part], Value::Null, "{part} of {method} {path}");
            }
        }
    }
    assert_eq!(document["paths"].as_object().unwrap().len(), 3);
    let own = [
        "id-taken",
        "database-unavailable",
        "broker-busy",
        "broker-unavailable",
    ];
    for slug in KINDS.iter().map(|kind| kind.slug).chain(own) {
        system
            .site
            .get(&format!("/problems/{slug}"))
            .await
            .expect(200);
    }
    system.site.get("/todos").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_processes_answer_probes_and_end_within_seconds() {
    let system = System::start().await;
    for member in [&system.serve, &system.consume] {
        let site = member.site();
        site.get("/livez").await.expect(200);
        site.get("/readyz").await.expect(200);
        let version = site.get("/version").await.expect(200).json();
        assert_eq!(version["service"], "todos");
        let verbose = site.get("/readyz?verbose").await.expect(200);
        for check in ["database: ok", "broker: ok"] {
            assert!(verbose.body.contains(check), "{verbose:?}");
        }
    }
    let wait = json!({ "title": "Tea" }).to_string();
    system
        .site
        .post("/todos/?wait=applied", wait)
        .await
        .expect(201);
    for member in [&system.serve, &system.consume] {
        member.stop().await.unwrap();
        let log = member.logs();
        assert!(
            log.contains("stopping: finishing the work in progress"),
            "{log}"
        );
        assert!(!log.contains("before all tasks had ended"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_waits_for_its_servers_ends_at_once() {
    let system = System::start().await;
    system.broker.kill();
    system.consume.stop().await.unwrap();
    system.serve.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_explains_itself() {
    let program = todos().await;
    let says = async |args: &[&str]| {
        let member = Member::start("todos", &program, args, &[]).await.unwrap();
        let status = member
            .process()
            .wait(std::time::Duration::from_secs(30))
            .await;
        member.process().drain_output().await;
        assert!(status.unwrap().success(), "{}", member.logs());
        member.logs()
    };
    let help = says(&["--help"]).await;
    for name in [
        "HTTP_ADDR",
        "DATABASE_URL",
        "DATABASE_ATTEMPTS",
        "DATABASE_RETRY_DELAY",
        "KAFKA_BROKERS",
        "PUBLISH_TIMEOUT",
    ] {
        assert!(help.contains(name), "{name}: {help}");
    }
    let printed = Command::new(&program)
        .arg("openapi")
        .env_clear()
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let system = System::start().await;
    assert_eq!(system.site.get("/openapi.json").await.json(), document);
}
