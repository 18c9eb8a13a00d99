//! The programs of the workspace, each built once and with the profile of the running program.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use stack::binaries::Build;
use stack::guard::{Farewell, Guard};
use stack::locked;

/// The program that starts children which cannot outlive this process.
const STACK: &str = "stack";

/// The programs that were built, by name.
static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);

/// Builds programs without output, and answers their paths in the same order. The first call may
/// take minutes.
pub fn build<const COUNT: usize>(names: &[&str; COUNT]) -> Result<[PathBuf; COUNT]> {
    build_with(Build::default(), names)
}

/// The same, with cargo's progress or with optimisation.
pub fn build_with<const COUNT: usize>(
    how: Build,
    names: &[&str; COUNT],
) -> Result<[PathBuf; COUNT]> {
    let mut paths = locked(&BUILT);
    let paths = paths.get_or_insert_default();
    let is_missing = |name: &&str| !paths.contains_key(*name);
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .chain([STACK])
        .filter(is_missing)
        .collect();
    if !missing.is_empty() {
        let new = how
            .programs(&missing)
            .context("cannot build the programs")?;
        paths.extend(new);
    }
    Ok(names.map(|name| paths[name].clone()))
}

/// How children are started that get this signal at the death of this process.
pub fn guard(farewell: Farewell) -> Result<Guard> {
    let [stack] = build(&[STACK])?;
    Ok(Guard { stack, farewell })
}
