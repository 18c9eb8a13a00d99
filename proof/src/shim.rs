//! A shim in C that is preloaded into a server, so that a test can move its clock and fill its
//! disk while it runs. The source says how; here it is built and told.

use std::fs;
use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::RedisServer;
use crate::{project, subprocess};

const SOURCE: &str = include_str!("../../shim/store_faults.c");
/// The shared file in the store's folder, and the variable by which the shim finds it.
const FILE: &str = "faults";
const VARIABLE: &str = "STORE_FAULTS_FILE";
/// Where in the file each fault stands; both are 64 bits.
const CLOCK_AT: u64 = 0;
const DISK_AT: u64 = 8;
const SIZE: usize = 16;
const COMPILE_LIMIT: Duration = Duration::from_mins(1);

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
    // Others may be at it as well: each builds its own, and the last one put in place is as good.
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

/// The environment of a program with the shim, whose faults are none for now. They are told by a
/// file in `dir`, also to all that the program starts.
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

/// Makes every write to a file fail as on a full disk, or ends that, for what was
/// [prepared](prepare) with `dir`.
pub fn fill_disk(dir: &Path, full: bool) -> Result<()> {
    set_fault(dir, DISK_AT, i64::from(full))
}

fn set_fault(dir: &Path, at: u64, value: i64) -> Result<()> {
    let file = OpenOptions::new().write(true).open(dir.join(FILE));
    let file = file.context("this was started without the shim")?;
    Ok(file.write_all_at(&value.to_ne_bytes(), at)?)
}

impl RedisServer {
    /// Sets the wall clock of the server this far from the real one; 0 sets it right. The server
    /// notices within the tenth of a second for which it remembers the time, and also after a
    /// restart. Needs the shim.
    pub fn offset_clock(&self, millis: i64) -> Result<()> {
        set_fault(self.dir(), CLOCK_AT, millis)
    }

    /// Makes every write to the data folder fail as on a full disk, or ends that. Needs the shim.
    ///
    /// A server with `appendfsync always` ends by itself at the first write it cannot keep, without
    /// having answered it; one with `everysec` refuses writes (`MISCONF`) until there is room. One
    /// that is started meanwhile answers reads and refuses writes (`NOREPLICAS`) until then.
    pub fn fill_disk(&self, full: bool) -> Result<()> {
        fill_disk(self.dir(), full)
    }
}
