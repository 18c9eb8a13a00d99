//! Finds the project and its data folder, which git ignores.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The root of the checkout: the folder that holds `deploy/redis.conf` and `Cargo.lock`.
///
/// Cargo names the folder of the package in `CARGO_MANIFEST_DIR`. A binary that was started by hand
/// does not have it, and takes the folder in which this crate was compiled.
pub fn root() -> PathBuf {
    variable("CARGO_MANIFEST_DIR")
        .and_then(|package| find_root(Path::new(&package)))
        .or_else(|| find_root(Path::new(env!("CARGO_MANIFEST_DIR"))))
        .or_else(|| env::current_dir().ok().and_then(|here| find_root(&here)))
        .unwrap_or_else(|| PathBuf::from("."))
}

/// `.data` in the root: the folder of fetched programs and kept data. Nothing in it is committed.
pub fn data_dir() -> PathBuf {
    root().join(".data")
}

/// A variable of the environment, if it is set and not empty. Nothing else in this crate reads the
/// environment.
#[expect(
    clippy::disallowed_methods,
    reason = "the services' configuration is not in play here, and a tool has its own variables"
)]
pub fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

fn find_root(from: &Path) -> Option<PathBuf> {
    from.ancestors()
        .find(|dir| dir.join("deploy/redis.conf").is_file() && dir.join("Cargo.lock").is_file())
        .map(Path::to_path_buf)
}
