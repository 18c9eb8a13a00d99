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
use crate::node::parse;
use crate::redis::{Owner, RedisOptions, RedisServer};

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
        let options = RedisOptions::private(store, dir.path().join("store"));
        let server = RedisServer::start(options.await?).await?;
        let operator = Redis::worker(&parse(&server.url(User::Operator))?);
        Ok(Self {
            operator,
            server,
            _dir: dir,
        })
    }

    /// A client that may do what `user` may.
    pub fn client(&self, user: User) -> Result<Redis> {
        Ok(Redis::worker(&parse(&self.server.url(user))?))
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

    /// The text in a key.
    pub async fn get(&self, key: &str) -> String {
        let text = self.ask(Command::new("GET").key(key)).await.text();
        text.expect("the key has a text")
    }

    /// Sets a key to a text.
    pub async fn set(&self, key: &str, text: &str) {
        self.ask(Command::new("SET").key(key).arg(text)).await;
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
        let entries = self.ask(range).await.entries();
        entries.expect("a stream has entries")
    }

    /// Sends a command as the operator, and returns the answer.
    pub async fn ask(&self, command: Command) -> Reply {
        let answer = self.operator.run(command).await;
        answer.expect("the store answers its operator")
    }
}
