//! The Kubernetes manifests of the examples. `kubectl kustomize` renders them, `kubernetes-validate`
//! compares each object with the schema of Kubernetes, and [`checks`] compares them with the
//! programs. Debian's package `kubernetes-client` and `tools/install` bring the two programs, so
//! `just tools` runs these tests. A missing program is an error.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod checks;
mod mutations;
mod objects;
mod pods;
mod programs;
mod schema;
mod stores;

use std::path::PathBuf;

use stack::project;

use crate::programs::Programs;

/// The folders with the manifests of an example.
fn folders() -> Vec<(PathBuf, PathBuf)> {
    let examples = std::fs::read_dir(project::root().join("examples")).unwrap();
    let deploys = examples.map(|entry| entry.unwrap().path().join("deploy"));
    let mut found: Vec<_> = deploys
        .map(|deploy| (deploy.join("kubernetes"), deploy))
        .filter(|(manifests, _)| manifests.is_dir())
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn every_manifest_is_what_kubernetes_and_the_programs_take() {
    let folders = folders();
    assert!(!folders.is_empty());
    let programs = Programs::of_the_examples().await;
    let mut problems = Vec::new();
    for (manifests, deploy) in folders {
        let text = schema::render(&manifests);
        let objects = objects::parse(&text);
        assert!(objects.len() > 3, "{text}");
        let scripts = objects::scripts(&deploy);
        let found = checks::all(&objects, &scripts, &programs);
        let found = schema::problems(&text).into_iter().chain(found);
        problems.extend(found.map(|problem| format!("{}: {problem}", manifests.display())));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
