//! The requests in the tree, run against a system of the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use stack::client::client;
use stack::project;
use stack::system::System;

use crate::hurl;
use crate::hurl::File;
use crate::hurl::run::Variables;

/// The longest wait for one answer.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// The files with requests by name, in the order in which a shell lists them.
pub(crate) fn files() -> BTreeMap<String, File> {
    let entries = fs::read_dir(project::root().join("contracts/requests")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let hurl = paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "hurl")
    });
    hurl.map(|path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = hurl::parse(&fs::read_to_string(&path).unwrap());
        (
            name.clone(),
            file.unwrap_or_else(|fault| panic!("{name}: {fault}")),
        )
    })
    .collect()
}

#[tokio::test]
async fn the_requests_and_documents_in_the_tree_are_those_of_a_running_system() {
    let system = System::builder()
        .env("COMPLETION_DELAY", "1s")
        .start()
        .await
        .unwrap();
    let client = client(ANSWER_LIMIT).unwrap();
    let services = [
        ("inventory", system.inventory_url()),
        ("payments", system.payments_url()),
    ];
    let variables: Variables = services
        .iter()
        .map(|(name, url)| ((*name).to_owned(), url.clone()))
        .collect();
    for (name, file) in files() {
        if let Err(fault) = hurl::run::run(&client, &file, variables.clone()).await {
            panic!("{name}: {fault}");
        }
    }
    for (name, url) in &services {
        for (path, folder) in [("openapi.json", "openapi"), ("asyncapi.yaml", "asyncapi")] {
            let served = client.get(format!("{url}/{path}")).send().await.unwrap();
            let ending = path.rsplit('.').next().unwrap();
            let kept = project::root().join(format!("contracts/{folder}/{name}.{ending}"));
            let kept = fs::read_to_string(kept).unwrap();
            assert!(
                served.text().await.unwrap() == kept,
                "{url}/{path} is not what the tree has"
            );
        }
    }
}
