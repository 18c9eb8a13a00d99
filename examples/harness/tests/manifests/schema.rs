//! Third-party programs: `kubectl kustomize` renders, `kubernetes-validate` compares with the schema.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stack::{project, subprocess};

/// The version of Kubernetes whose schemas the manifests have to fit.
const KUBERNETES: &str = "1.32";
/// The limit of one call of a program.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

/// A program that `tools/install` has installed.
pub(crate) fn installed(name: &str) -> PathBuf {
    let program = project::data_dir().join("tools/venv/bin").join(name);
    assert!(
        program.is_file(),
        "{} is missing: run tools/install",
        program.display()
    );
    program
}

/// The manifests of a folder, as a cluster would get them.
pub(crate) fn render(folder: &Path) -> String {
    let mut command = Command::new("kubectl");
    command.arg("kustomize").arg(folder);
    let output = subprocess::run(&mut command, LIMIT);
    let output = output.expect("kubectl runs: install the package kubernetes-client");
    assert!(output.status.success(), "{}", output.stderr);
    output.stdout
}

/// What Kubernetes would not take. A field that it does not know is a mistake.
pub(crate) fn problems(text: &str) -> Vec<String> {
    let program = installed("kubernetes-validate");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifests.yaml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command
        .args(["--strict", "--no-warn", "-k", KUBERNETES])
        .arg(&file);
    let output = subprocess::run(&mut command, LIMIT).unwrap();
    let said = [output.stdout, output.stderr].join("\n");
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let (passed, failed): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.contains(" passed "));
    let whole = !passed.is_empty() && output.status.success();
    match (whole, failed.is_empty()) {
        (true, true) => Vec::new(),
        _ => vec![format!("kubernetes-validate: {}", failed.join("; "))],
    }
}
