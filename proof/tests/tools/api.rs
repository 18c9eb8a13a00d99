//! Programs that know only the documents call the HTTP APIs.

use serde_json::{Value, json};
use stack::client::client;
use stack::project;
use stack::system::System;
use tokio::process::Command;

use crate::browser::LIMIT;
use crate::program::{installed, run};

/// More pieces than all orders of a run take.
const PLENTY: u32 = 1_000_000_000;

/// If the disk is busy for two seconds, an answer is 503, as promised. These tests are not about
/// the disk, so the stores do not wait for it.
async fn system() -> System {
    let system = System::builder()
        .env("COMPLETION_DELAY", "1s")
        .redis("appendfsync", "no");
    system.start().await.unwrap()
}

/// The id of a product that is never sold out.
async fn product(system: &System) -> String {
    let client = client(LIMIT).unwrap();
    let body = json!({"name": "Espresso beans 1 kg", "price": 0.01, "quantity": PLENTY});
    let request = client
        .post(format!("{}/products", system.inventory_url()))
        .json(&body);
    let product: Value = request.send().await.unwrap().json().await.unwrap();
    product["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn no_request_of_schemathesis_finds_an_answer_that_the_document_does_not_promise() {
    let system = system().await;
    let product = product(&system).await;
    let tools = project::root().join("tools");
    for url in [system.inventory_url(), system.payments_url()] {
        let mut command = Command::new(installed("venv/bin/schemathesis"));
        command
            .arg("--config-file")
            .arg(tools.join("schemathesis.toml"))
            .args(["run", "--no-color"])
            .arg(format!("{url}/openapi.json"))
            .env("SCHEMATHESIS_HOOKS", tools.join("schemathesis_hooks.py"))
            .env("PRODUCT_ID", &product)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            // Schemathesis writes files into its working folder.
            .current_dir(installed(""));
        run(command).await;
    }
}

#[tokio::test]
async fn the_postman_collection_runs_from_top_to_bottom() {
    let system = system().await;
    let requests = project::root().join("contracts/requests");
    let mut command = Command::new(installed("node_modules/.bin/newman"));
    command
        .arg("run")
        .arg(requests.join("postman_collection.json"))
        .arg("--environment")
        .arg(requests.join("postman_environment.json"))
        .args([
            "--env-var",
            &format!("inventory={}", system.inventory_url()),
        ])
        .args(["--env-var", &format!("payments={}", system.payments_url())])
        .args(["--color", "off"]);
    run(command).await;
}

#[tokio::test]
async fn hurl_itself_runs_every_file_with_requests() {
    let system = system().await;
    let requests = project::root().join("contracts/requests");
    let files = std::fs::read_dir(requests)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "hurl"));
    let mut command = Command::new(installed("bin/hurl"));
    command
        .arg("--test")
        .args([
            "--variable",
            &format!("inventory={}", system.inventory_url()),
        ])
        .args(["--variable", &format!("payments={}", system.payments_url())])
        .args(files);
    run(command).await;
}
