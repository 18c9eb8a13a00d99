//! The validators of their standards read the documents in the tree.

use std::path::PathBuf;

use stack::project;
use tokio::process::Command;

use crate::program::{installed, on_path, run};

/// Parses each file, and ends with an error if the official parser finds a mistake.
const PARSE_ASYNCAPI: &str = r#"
const { readFileSync } = require("node:fs");
const { Parser, DiagnosticSeverity } = require("@asyncapi/parser");
(async () => {
  for (const path of process.argv.slice(1)) {
    const { diagnostics } = await new Parser().parse(readFileSync(path, "utf8"));
    // A newer minor version of the standard is no mistake.
    const mistakes = diagnostics.filter((found) => found.code !== "asyncapi-latest-version");
    mistakes.forEach((mistake) => console.error(path, mistake.path.join("."), mistake.message));
    process.exitCode ||= Number(mistakes.length > 0);
  }
})();
"#;

fn both(folder: &str, ending: &str) -> [PathBuf; 2] {
    ["inventory", "payments"]
        .map(|name| project::root().join(format!("contracts/{folder}/{name}.{ending}")))
}

#[tokio::test]
async fn the_openapi_documents_are_valid() {
    let mut command = Command::new(installed("venv/bin/openapi-spec-validator"));
    command.args(both("openapi", "json"));
    run(command).await;
}

#[tokio::test]
async fn the_asyncapi_documents_are_valid() {
    let mut command = Command::new(on_path(&["node", "nodejs"]));
    command
        .env("NODE_PATH", installed("node_modules"))
        .args(["-e", PARSE_ASYNCAPI, "--"])
        .args(both("asyncapi", "yaml"));
    run(command).await;
}
