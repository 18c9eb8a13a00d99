//! Tells both services the commit they are built from, as `SOURCE_COMMIT`: 12 digits of its hash, and
//! `-dirty` if a source was changed since. Without a repository it is `unknown`.
//!
//! If the sources came without their repository, the variable `SOURCE_COMMIT` can name the commit.
//! The services use this script, and `shared` does not: a change that makes the script run again
//! compiles the services anew in any case.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a script through its environment"
)]

use std::path::Path;
use std::process::Command;

/// The sources of the services, below the root of the workspace.
const SOURCES: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "build.rs",
    "shared/Cargo.toml",
    "shared/src",
    "inventory/Cargo.toml",
    "inventory/src",
    "payments/Cargo.toml",
    "payments/src",
];
/// Files that git writes when another commit is made or checked out.
const HEADS: [&str; 2] = ["HEAD", "logs/HEAD"];
/// Digits of a hash that name one commit also in a large repository.
const DIGITS: usize = 12;
/// The most characters of a commit's name.
const MAX_LENGTH: usize = 64;

fn main() {
    println!("cargo::rerun-if-env-changed=SOURCE_COMMIT");
    let told = std::env::var("SOURCE_COMMIT")
        .ok()
        .filter(|told| !told.trim().is_empty());
    let package = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&package).join("..");
    let commit = told.or_else(|| found(&root)).unwrap_or_default();
    let commit = commit.trim();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let known = (1..=MAX_LENGTH).contains(&commit.len()) && commit.bytes().all(is_name);
    println!(
        "cargo::rustc-env=SOURCE_COMMIT={}",
        if known { commit } else { "unknown" }
    );
}

/// The commit of the repository with this root.
fn found(root: &Path) -> Option<String> {
    let top = git(root, &["rev-parse", "--show-toplevel"])?;
    // An archive may be unpacked inside another repository.
    if Path::new(&top).canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    watch(root);
    let hash = git(root, &["rev-parse", "HEAD"])?;
    let changed = git(
        root,
        &[&["status", "--porcelain", "--"][..], &SOURCES].concat(),
    )?;
    let mark = if changed.is_empty() { "" } else { "-dirty" };
    Some(format!("{}{mark}", hash.get(..DIGITS)?))
}

/// Makes cargo run this script again when the commit may have changed.
fn watch(root: &Path) {
    for head in HEADS {
        // In a worktree these files are in another folder. If cargo watched a file that is missing,
        // it would run the script each time.
        let path = git(root, &["rev-parse", "--git-path", head]);
        if let Some(path) = path
            .map(|path| root.join(path))
            .filter(|path| path.exists())
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
}

/// The output of git in this folder; `None` without git, or if git refuses.
fn git(root: &Path, args: &[&str]) -> Option<String> {
    // A read must not take the lock that a commit needs.
    let mut git = Command::new("git");
    let output = git
        .arg("--no-optional-locks")
        .current_dir(root)
        .args(args)
        .output()
        .ok()?;
    let answer = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| answer.trim().to_owned())
}
