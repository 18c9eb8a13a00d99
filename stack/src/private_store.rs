//! One private store, for tests that need no other part of the system. An error here fails the
//! test.

#![expect(
    clippy::missing_panics_doc,
    reason = "a helper of a test fails the test, like the test itself"
)]

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use shared::redis::{Command, Entry, Redis, Reply};
use tempfile::TempDir;

use crate::credentials::User;
use crate::guard::{Farewell, Guard};
use crate::redis::{Overrides, Owner, RedisOptions, RedisServer};
use crate::{binaries, server};

/// A private Redis server with the users of one store. The server and its data are removed when the
/// value is dropped.
pub struct PrivateStore {
    /// A client that may do everything.
    pub operator: Redis,
    server: RedisServer,
    _dir: TempDir,
}

impl PrivateStore {
    /// Starts the server of `store`.
    pub async fn start(store: Owner) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // Both may take minutes the first time: a download and a build.
        let found = tokio::task::spawn_blocking(|| (server::shared(), binaries::shared()));
        let (server, binaries) = found.await?;
        let server = RedisServer::start(RedisOptions {
            store,
            dir: dir.path().join("store"),
            server: server?,
            guard: Guard {
                stack: binaries?.stack,
                farewell: Farewell::Kill,
            },
            sink: None,
            overrides: Overrides::default(),
        });
        let server = server.await?;
        let operator = Redis::worker(
            &server
                .url(User::Operator)
                .parse()
                .map_err(anyhow::Error::msg)?,
        );
        Ok(Self {
            operator,
            server,
            _dir: dir,
        })
    }

    /// A client that may do what `user` may.
    pub fn client(&self, user: User) -> Result<Redis> {
        Ok(Redis::worker(
            &self.server.url(user).parse().map_err(anyhow::Error::msg)?,
        ))
    }

    /// The data folder of the server.
    pub fn dir(&self) -> &Path {
        self.server.dir()
    }

    /// Sends words that are separated by spaces, as the operator.
    pub async fn operate(&self, name: &'static str, words: &str) {
        let command = Command::new(name).args(words.split(' ').filter(|word| !word.is_empty()));
        self.ask(command).await;
    }

    /// The dump of every key.
    pub async fn dump(&self) -> BTreeMap<String, Vec<u8>> {
        let keys = self.ask(Command::new("KEYS").arg("*")).await;
        let mut dump = BTreeMap::new();
        for key in keys.texts().expect("keys are texts") {
            let value = self.ask(Command::new("DUMP").key(key.as_str())).await;
            dump.insert(key, value.bytes().expect("a dump is bytes").to_vec());
        }
        dump
    }

    /// All entries of a stream.
    pub async fn entries(&self, stream: &str) -> Vec<Entry> {
        let range = Command::new("XRANGE").key(stream).arg("-").arg("+");
        self.ask(range)
            .await
            .entries()
            .expect("a stream has entries")
    }

    async fn ask(&self, command: Command) -> Reply {
        self.operator
            .run(command)
            .await
            .expect("the store answers its operator")
    }
}
