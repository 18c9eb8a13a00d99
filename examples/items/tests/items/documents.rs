//! The documents and the pages of the processes.

use std::process::Command;

use serde_json::Value;

use crate::harness::{System, program};

/// The operations of the service, and no others.
const OPERATIONS: [(&str, &[&str]); 2] = [
    ("/items/{item_id}", &["get", "post"]),
    ("/tickets/{id}", &["get"]),
];
/// The settings of the service itself, beside those of every service.
const SETTINGS: [&str; 7] = [
    "ITEMS_REDIS_URL",
    "MAX_QUEUED_BYTES",
    "MAX_QUEUED_WRITES",
    "MAX_STREAM_ENTRIES",
    "MAX_TICKETS",
    "TICKET_RETENTION",
    "CONSUMER_HTTP_ADDR",
];

async fn printed(verb: &str) -> String {
    let output = Command::new(program().await).arg(verb).output().unwrap();
    assert!(output.status.success(), "{verb}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_document_has_exactly_the_endpoints_of_the_service_each_described() {
    let document: Value = serde_json::from_str(&printed("openapi").await).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), OPERATIONS.len());
    for (path, methods) in OPERATIONS {
        let mut found: Vec<&String> = paths[path].as_object().unwrap().keys().collect();
        found.sort_unstable();
        assert_eq!(found, methods, "{path}");
        for operation in paths[path].as_object().unwrap().values() {
            assert_ne!(operation["summary"], "", "{path}");
            assert!(operation["description"].is_string(), "{path}");
            for parameter in operation["parameters"].as_array().unwrap() {
                assert_ne!(parameter["description"], Value::Null, "{parameter}");
            }
        }
    }
    let body = &paths["/items/{item_id}"]["post"]["requestBody"];
    assert_ne!(body["required"], true, "the value may stand in the query");
}

#[tokio::test]
async fn the_event_is_in_the_asyncapi_document() {
    let document = printed("asyncapi").await;
    for part in ["item.write_queued.v1", "writes:", "workers", "/items"] {
        assert!(document.contains(part), "{part}: {document}");
    }
}

#[tokio::test]
async fn help_lists_the_settings() {
    let output = Command::new(program().await)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for name in SETTINGS {
        assert!(help.contains(name), "{name}: {help}");
    }
}

#[tokio::test]
async fn each_process_has_its_pages() {
    let system = System::start(1).await;
    let docs = system.get("/docs").await.expect(200);
    assert!(docs.header("content-type").starts_with("text/html"));
    let served: Value = system.get("/openapi.json").await.expect(200).json();
    let printed: Value = serde_json::from_str(&printed("openapi").await).unwrap();
    assert_eq!(served, printed);
    system.get("/asyncapi.yaml").await.expect(200);
    let page = system.get("/problems/queue-full").await.expect(200);
    assert!(
        page.body.contains("Too many writes wait already"),
        "{page:?}"
    );
    for site in [system.api.site(), system.workers[0].site()] {
        site.get("/livez").await.expect(200);
        site.get("/readyz").await.expect(200);
        assert_eq!(
            site.get("/version").await.expect(200).text("service"),
            "items"
        );
        site.get("/nothing").await.problem(404, "not-found");
    }
    let note = system.workers[0]
        .site()
        .get("/readyz?verbose")
        .await
        .expect(200);
    assert!(note.body.contains("pending: 0"), "{note:?}");
    assert!(note.body.contains("dead_letters: 0"), "{note:?}");
}
