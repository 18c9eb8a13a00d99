//! Builds another revision of the project beside this one.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use stack::binaries::{Binaries, Build};
use stack::project;

/// The number of letters of a commit in names.
const SHORT: usize = 12;

/// The commit that is checked out, with a mark if the tree differs from it.
pub(crate) fn current() -> String {
    let described = git(&["describe", "--always", "--dirty", "--abbrev=12"]);
    described.unwrap_or_else(|_| "unknown".to_owned())
}

/// Checks a revision out below the data folder and builds it, unless it was built before. The
/// `stack` of `ours` starts its services.
pub(crate) fn build(revision: &str, ours: &Binaries) -> Result<(String, Binaries)> {
    let commit = git(&[
        "rev-parse",
        "--verify",
        "--end-of-options",
        &format!("{revision}^{{commit}}"),
    ])?;
    let short = commit.get(..SHORT).unwrap_or(&commit).to_owned();
    let folder = project::data_dir().join("bench");
    let tree = folder.join(&short);
    if !tree.join("Cargo.toml").is_file() {
        // By force, because git may still list a folder that was removed by hand.
        let path = tree
            .to_str()
            .context("the path of the project is no text")?;
        git(&["worktree", "add", "--force", "--detach", path, &commit])?;
    }
    // The profile of this program, so that the two revisions can be compared.
    let (release, profile) = if cfg!(debug_assertions) {
        (false, "dev")
    } else {
        (true, "release")
    };
    let kept = folder.join(format!("{short}-{profile}"));
    if !kept.join("payments").is_file() {
        // All revisions share a target folder. Their programs are copied out of it.
        let built = Build {
            release,
            progress: true,
        }
        .run_in(&tree, &folder.join("target"))?;
        std::fs::create_dir_all(&kept)?;
        std::fs::copy(&built.inventory, kept.join("inventory"))?;
        std::fs::copy(&built.payments, kept.join("payments"))?;
    }
    let stack = ours.stack.clone();
    let binaries = Binaries {
        inventory: kept.join("inventory"),
        payments: kept.join("payments"),
        stack,
        acl: Some(tree.join("deploy/acl")),
    };
    Ok((short, binaries))
}

fn git(args: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .current_dir(project::root())
        .args(args)
        .output();
    let output = output.context("cannot start git")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "git {}: {}",
        args.join(" "),
        said.trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
