//! Third-party programs.

use std::env;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use stack::project;
use tokio::process::Command;
use tokio::time::timeout;

/// The slowest program takes less than a minute.
const LIMIT: Duration = Duration::from_mins(5);

/// A program or folder that `tools/install` has installed.
pub(crate) fn installed(path: &str) -> PathBuf {
    let program = project::data_dir().join("tools").join(path);
    assert!(
        program.exists(),
        "{} is missing: run tools/install",
        program.display()
    );
    program
}

/// A program of the machine, by one of its names.
pub(crate) fn on_path(names: &[&str]) -> PathBuf {
    let folders: Vec<PathBuf> =
        env::split_paths(&project::variable("PATH").unwrap_or_default()).collect();
    let paths = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = paths.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{} is missing: install the package of that name", names[0]))
}

/// Runs a program, which must succeed. The output appears if it fails.
pub(crate) async fn run(mut command: Command) {
    let child = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, child)
        .await
        .expect("the program ends in time")
        .unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        said.join("\n")
    );
}
