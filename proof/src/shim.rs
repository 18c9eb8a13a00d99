//! Builds and controls a shim in C that is preloaded into a server. With it, a test moves the clock
//! and fills the disk of a running server. `proof/shim/store_faults.c` says how it works.

use std::fs;
use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use stack::redis::Environment;
use stack::{project, subprocess};

const SOURCE: &str = include_str!("../shim/store_faults.c");
/// The file in the store's folder that the shim shares, and the variable with its path.
const FILE: &str = "faults";
const VARIABLE: &str = "STORE_FAULTS_FILE";
/// The offset of each fault in the file. Each fault has 64 bits.
const CLOCK_AT: u64 = 0;
const DISK_AT: u64 = 8;
const SIZE: usize = 16;
const COMPILE_LIMIT: Duration = Duration::from_mins(1);

/// Starts a store with the shim.
pub fn environment() -> Environment {
    Arc::new(|dir| prepare(&build()?, dir))
}

/// Builds the shim with the C compiler that rustc links with, unless it was built before.
pub fn build() -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    SOURCE.hash(&mut hasher);
    let dir = project::data_dir().join("shim");
    let path = dir.join(format!("store_faults-{:016x}.so", hasher.finish()));
    if path.is_file() {
        return Ok(path);
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // Several processes may build the shim at once. Each builds a file of its own, and the last
    // rename wins.
    let place = tempfile::tempdir_in(&dir)?;
    let (source, library) = (
        place.path().join("store_faults.c"),
        place.path().join("shim.so"),
    );
    fs::write(&source, SOURCE)?;
    let mut compiler = Command::new(project::variable("CC").unwrap_or_else(|| "cc".into()));
    compiler
        .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
        .args([&library, &source]);
    let output = subprocess::run(&mut compiler, COMPILE_LIMIT)?;
    ensure!(
        output.status.success(),
        "the shim does not compile\n{}",
        output.stderr.trim_end()
    );
    fs::rename(&library, &path)
        .with_context(|| format!("cannot put {} in place", path.display()))?;
    Ok(path)
}

/// The environment of a program with the shim, at first without faults. The program and its
/// children read the faults from a file in `dir`.
pub fn prepare(shim: &Path, dir: &Path) -> Result<Vec<(String, String)>> {
    let file = dir.join(FILE);
    fs::write(&file, [0; SIZE]).with_context(|| format!("cannot write {}", file.display()))?;
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .context("a path that is no text")
    };
    Ok(vec![
        ("LD_PRELOAD".to_owned(), text(shim)?),
        (VARIABLE.to_owned(), text(&file)?),
    ])
}

/// Sets the wall clock of a program with the shim off by `millis`; 0 sets it right. `dir` is the
/// folder with which the program was [prepared](prepare): for a store, its data folder.
///
/// A server reads its clock every 100 ms. The offset stays over a restart.
pub fn offset_clock(dir: &Path, millis: i64) -> Result<()> {
    set_fault(dir, CLOCK_AT, millis)
}

/// Makes every write to a file fail as on a full disk, or ends that. `dir` is the folder with which
/// the program was [prepared](prepare): for a store, its data folder.
///
/// A server with `appendfsync always` ends at the first write that it cannot keep, without an
/// answer. A server with `everysec` refuses writes (`MISCONF`) until the disk has room. A server
/// that is started on a full disk answers reads, and refuses writes (`NOREPLICAS`) until the disk
/// has room.
pub fn fill_disk(dir: &Path, full: bool) -> Result<()> {
    set_fault(dir, DISK_AT, i64::from(full))
}

fn set_fault(dir: &Path, at: u64, value: i64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(dir.join(FILE));
    let file = file.context("this was started without the shim")?;
    Ok(file.write_all_at(&value.to_ne_bytes(), at)?)
}
