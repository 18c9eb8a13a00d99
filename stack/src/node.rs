//! One server of a store that has several.

use std::{fs, path::Path, sync::Arc};

use anyhow::{Context, Result, anyhow};
use shared::{
    config::RedisUrl,
    redis::{Command, Redis, Reply},
};

use crate::{
    credentials::{FILE, User, random_password},
    redis::{RedisOptions, RedisServer},
};

/// Users of replicas and Sentinels.
const REPLICATION_ACL: &str = include_str!("../../deploy/acl/replication.acl");

/// One server, and a client that may do everything there, whatever it is just now.
pub(crate) struct Node {
    pub(crate) server: Arc<RedisServer>,
    pub(crate) operator: Redis,
}

/// What only servers and Sentinels need to know.
pub(crate) struct Secrets {
    pub(crate) replica: String,
    pub(crate) sentinel: String,
}

impl Secrets {
    pub(crate) fn random() -> Result<Self> {
        Ok(Self { replica: random_password()?, sentinel: random_password()? })
    }
}

impl Node {
    /// Starts a server of the store in the folder `all`, whose servers have the same users with the
    /// same passwords, on this port or a free one.
    pub(crate) async fn start(
        options: RedisOptions,
        all: &Path,
        secrets: &Secrets,
        port: Option<u16>,
    ) -> Result<Self> {
        fs::create_dir_all(&options.dir)?;
        fs::copy(all.join(FILE), options.dir.join(FILE))?;
        let server = match port {
            Some(port) => {
                let server = RedisServer::launch(options, port)?;
                server.wait_ready().await?;
                server
            }
            None => RedisServer::start(options).await?,
        };
        let operator = Redis::worker(&parse(&server.url(User::Operator))?);
        let node = Self { server: Arc::new(server), operator };
        node.prepare(secrets).await?;
        Ok(node)
    }

    /// Adds what replication needs, for good.
    async fn prepare(&self, secrets: &Secrets) -> Result<()> {
        let users = REPLICATION_ACL
            .replace("@REPLICA_PASSWORD@", &secrets.replica)
            .replace("@SENTINEL_PASSWORD@", &secrets.sentinel);
        for user in users.lines().filter_map(|line| line.strip_prefix("user ")) {
            self.tell(Command::new("ACL").arg("SETUSER").args(user.split(' '))).await?;
        }
        self.tell(Command::new("ACL").arg("SAVE")).await?;
        for (name, value) in [
            ("masteruser", "replica"),
            ("masterauth", &secrets.replica),
            // A test has no time to wait for more replicas to share a transfer with.
            ("repl-diskless-sync-delay", "0"),
        ] {
            self.tell(Command::new("CONFIG").args(["SET", name, value])).await?;
        }
        self.tell(Command::new("CONFIG").arg("REWRITE")).await.map(drop)
    }

    pub(crate) async fn tell(&self, command: Command) -> Result<Reply> {
        self.operator.run(command).await.with_context(|| self.server.process().name().to_owned())
    }
}

pub(crate) fn parse(url: &str) -> Result<RedisUrl> {
    url.parse().map_err(|error: String| anyhow!(error))
}
