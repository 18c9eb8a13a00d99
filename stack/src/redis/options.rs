//! How a store is started.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use super::Owner;
use crate::guard::{Farewell, Guard};
use crate::process::LineSink;
use crate::server::Server;
use crate::{binaries, server};

/// How a store is started.
#[derive(Clone)]
pub struct RedisOptions {
    /// The owner of the store.
    pub store: Owner,
    /// The data folder. A folder that exists is used again with its data and passwords.
    pub dir: PathBuf,
    /// The server program.
    pub server: Server,
    /// How children are started.
    pub guard: Guard,
    /// Gets each log line, if given.
    pub sink: Option<LineSink>,
    /// The file with users of other teams, which need not exist.
    pub readers: Option<PathBuf>,
    /// The differences from the shipped configuration.
    pub overrides: Overrides,
}

/// Variables for the environment of a server. They may depend on its data folder.
pub type Environment = Arc<dyn Fn(&Path) -> Result<Vec<(String, String)>> + Send + Sync>;

/// What a test changes about a store. The default changes nothing.
#[derive(Clone, Default)]
pub struct Overrides {
    /// Settings of the server, such as `appendfsync`, that replace the shipped ones.
    pub settings: Vec<(String, String)>,
    /// More variables for the server, if any.
    pub environment: Option<Environment>,
    /// The folder with the ACL files of another revision.
    pub acl: Option<PathBuf>,
}

impl RedisOptions {
    /// A store with the shipped configuration.
    pub fn new(store: Owner, dir: PathBuf, server: Server, guard: Guard) -> Self {
        Self {
            store,
            dir,
            server,
            guard,
            sink: None,
            readers: None,
            overrides: Overrides::default(),
        }
    }

    /// The same with the server program and the binaries of this process, for a test. The first
    /// call may take minutes: it downloads the one and builds the others.
    pub async fn private(store: Owner, dir: PathBuf) -> Result<Self> {
        let found = tokio::task::spawn_blocking(|| (server::shared(), binaries::shared()));
        let (server, binaries) = found.await?;
        let guard = binaries?.guard(Farewell::Kill);
        Ok(Self::new(store, dir, server?, guard))
    }

    /// The same for one of several servers of a store: its folder lies in that of the store.
    pub(crate) fn of_server(&self, number: usize) -> Self {
        Self {
            dir: self.dir.join(number.to_string()),
            ..self.clone()
        }
    }
}
