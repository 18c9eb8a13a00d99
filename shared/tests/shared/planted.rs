//! The patches of `just planted` apply to the code as it is now.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// With fewer patches, this test would look for them in the wrong folder.
const FEWEST: usize = 6;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn planted() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("proof/planted")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    let mut patches: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "patch"))
        .collect();
    patches.sort_unstable();
    patches
}

/// What Git says against the patch; `None` if it applies. Git gets a repository that does not
/// exist. An archive of the sources has no repository, or lies within another one; there Git would
/// skip files that the repository does not track.
fn objection(patch: &Path) -> Option<String> {
    let mut git = Command::new("git");
    git.args(["apply", "--check"]).arg(patch);
    git.current_dir(root())
        .env("GIT_DIR", root().join("no-repository"));
    match git.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Some(format!("git cannot be run: {error}\n")),
    }
}

#[test]
fn every_planted_bug_can_be_planted_in_the_present_code() {
    let patches = planted();
    assert!(patches.len() >= FEWEST, "{patches:?}");
    let stale: Vec<String> = patches
        .iter()
        .filter_map(|patch| objection(patch))
        .collect();
    assert!(
        stale.is_empty(),
        "make these anew (CONTRIBUTING.md, Tests):\n{}",
        stale.concat()
    );
}
