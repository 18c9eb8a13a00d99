//! Where a server runs, and what is done with its log.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use stack::guard::{Farewell, Guard};
use stack::ports::{self, Port};
use stack::process::LineSink;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::program;

/// The folder and the port of a server, and how its process is started.
pub struct Place {
    /// The folder of the server. It exists.
    pub(crate) dir: PathBuf,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// Ends the process with this one.
    pub(crate) guard: Guard,
    /// Gets each log line, if given.
    pub(crate) sink: Option<LineSink>,
    /// Whether the data has to survive a crash of the machine. The data of a test does not.
    pub(crate) durable: bool,
    _folder: Option<TempDir>,
    _reservation: Option<Port>,
}

/// Only the owner may look into the folder of a server: its data and its passwords are in there.
const FOLDER_MODE: u32 = 0o700;

impl Place {
    /// A place for a test: a free port, and a folder that is removed with this value.
    pub async fn private() -> Result<Self> {
        // The first call builds the program that starts children.
        let guard = spawn_blocking(|| program::guard(Farewell::Kill)).await??;
        let folder = tempfile::Builder::new().prefix("harness-").tempdir()?;
        let port = ports::free()?;
        Ok(Self {
            dir: folder.path().to_owned(),
            port: port.number(),
            guard,
            sink: None,
            durable: false,
            _folder: Some(folder),
            _reservation: Some(port),
        })
    }

    /// The same, with every write on the disk before it is answered, as in production.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// A place whose data stays for the next start.
    pub fn kept(dir: &Path, port: u16, guard: Guard, sink: LineSink) -> Result<Self> {
        let context = || format!("cannot create {}", dir.display());
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(FOLDER_MODE);
        folder.create(dir).with_context(context)?;
        Ok(Self {
            dir: std::fs::canonicalize(dir).with_context(context)?,
            port,
            guard,
            sink: Some(sink),
            durable: true,
            _folder: None,
            _reservation: None,
        })
    }
}
