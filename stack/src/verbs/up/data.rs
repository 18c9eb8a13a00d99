//! The folder in which the stores keep their data between runs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use stack::foreground::Folder;
use stack::redis::Owner;
use stack::server::Server;
use stack::{project, server};

/// The file with the server program that wrote the stores, and its version, on one line each.
const SERVER: &str = "server";

/// An open data folder, locked against a second run-all.
pub(super) struct DataDir(Folder);

impl DataDir {
    /// Opens or makes the folder. `fresh` removes the data of earlier runs. Clusters have a folder
    /// of their own.
    pub(super) fn open(chosen: Option<PathBuf>, fresh: bool, cluster: bool) -> Result<Self> {
        let name = if cluster { "run-cluster" } else { "run" };
        let path = chosen.unwrap_or_else(|| project::data_dir().join(name));
        let data = Self(Folder::open(path, "run-all")?);
        if fresh {
            data.clear()?;
        }
        Ok(data)
    }

    /// The folder of one store.
    pub(super) fn store(&self, store: Owner) -> PathBuf {
        self.0.path().join(store.name())
    }

    /// The server program for this folder. An older or different server often cannot read the data.
    /// So the program of the last run stays in use while it exists, even if another was installed.
    /// Only `REDIS_SERVER` overrules that.
    pub(super) fn server(&self) -> Result<Server> {
        let record = self.0.path().join(SERVER);
        let text = fs::read_to_string(&record).unwrap_or_default();
        let last = text
            .split_once('\n')
            .map(|(path, version)| (Path::new(path), version.trim()));
        let same = |(path, version)| {
            Server::check(path)
                .ok()
                .filter(|server| server.version == version)
        };
        let server = match last
            .filter(|_| project::variable("REDIS_SERVER").is_none())
            .and_then(same)
        {
            Some(server) => server,
            None => server::shared()?,
        };
        if let Some((path, version)) = last {
            ensure!(
                server.reads_data_of(version),
                "the data in {} was written by {version} and {} may not read it; set REDIS_SERVER={} or forget it with --fresh",
                self.0.path().display(),
                server.version,
                path.display(),
            );
        }
        let path = std::path::absolute(&server.path)?;
        let line = format!("{}\n{}\n", path.display(), server.version);
        // A record that is already right is not written again: a full disk would leave it empty.
        if line != text {
            fs::write(&record, line)
                .with_context(|| format!("cannot write {}", record.display()))?;
        }
        Ok(server)
    }

    /// Removes the two store folders and the record of the server. Everything else in the folder
    /// stays.
    fn clear(&self) -> Result<()> {
        for store in [Owner::Inventory, Owner::Payments] {
            let dir = self.store(store);
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
                }
                _ => {}
            }
        }
        match fs::remove_file(self.0.path().join(SERVER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).context("cannot remove the record of the server")
            }
            _ => Ok(()),
        }
    }
}
