//! A data folder that belongs to one kind of run, and to one run at a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::lock;
use crate::lock::Lock;

/// The file that marks a folder of a run. Only a folder with this file is written to or emptied.
const MARKER: &str = ".pas-de-deux";

/// An open data folder, locked against a second run.
pub struct Folder {
    path: PathBuf,
    _lock: Lock,
}

impl Folder {
    /// Opens or makes the folder. `program` is the name of the command, for people.
    pub fn open(path: PathBuf, program: &str) -> Result<Self> {
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        claim(&path, program)?;
        let lock = lock::take(&path.join("lock"), Duration::ZERO).with_context(|| {
            format!(
                "the data folder {} is in use by another {program}",
                path.display()
            )
        })?;
        Ok(Self { path, _lock: lock })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes an empty folder by writing the marker into it. Refuses a folder with other files.
fn claim(path: &Path, program: &str) -> Result<()> {
    let marker = path.join(MARKER);
    if marker.is_file() {
        return Ok(());
    }
    if fs::read_dir(path)?.next().is_some() {
        bail!(
            "{} is not empty and was not made by {program}; choose another --data-dir",
            path.display()
        );
    }
    let text = format!("{program} keeps its data here; it may be removed while nothing runs\n");
    fs::write(&marker, text).with_context(|| format!("cannot write {}", marker.display()))
}
