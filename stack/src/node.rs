//! One server of a store that has several servers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ::redis::FromRedisValue;
use anyhow::{Context, Result, anyhow};
use shared::redis::RedisUrl;

use crate::credentials::{FILE, random_password};
use crate::operator::Operator;
use crate::redis::{RedisOptions, RedisServer};
use crate::users;

/// One server, with a client that may do everything, whether the server is a primary or a replica.
pub(crate) struct Node {
    pub(crate) server: Arc<RedisServer>,
    pub(crate) operator: Operator,
}

/// The passwords that only servers and Sentinels use.
pub(crate) struct Secrets {
    pub(crate) replica: String,
    pub(crate) sentinel: String,
}

impl Secrets {
    pub(crate) fn random() -> Result<Self> {
        Ok(Self {
            replica: random_password()?,
            sentinel: random_password()?,
        })
    }
}

impl Node {
    /// Starts a server of the store in the folder `all`, on this port or a free one. All servers of
    /// the store have the same users with the same passwords.
    pub(crate) async fn start(
        options: RedisOptions,
        all: &Path,
        secrets: &Secrets,
        port: Option<u16>,
    ) -> Result<Self> {
        fs::create_dir_all(&options.dir)?;
        let mut settings = options.overrides.settings.iter();
        let is_cluster = settings.any(|(name, _)| name == "cluster-enabled");
        fs::copy(all.join(FILE), options.dir.join(FILE))?;
        let server = match port {
            Some(port) => {
                let server = RedisServer::launch(options, port)?;
                server.wait_ready().await?;
                server
            }
            None => RedisServer::start(options).await?,
        };
        let operator = Operator::of(&server)?;
        let node = Self {
            server: Arc::new(server),
            operator,
        };
        node.prepare(secrets, is_cluster).await?;
        Ok(node)
    }

    /// Adds the users and settings that replication needs, and saves them.
    async fn prepare(&self, secrets: &Secrets, is_cluster: bool) -> Result<()> {
        let users = users::REPLICATION
            .replace("@REPLICA_PASSWORD@", &secrets.replica)
            .replace("@SENTINEL_PASSWORD@", &secrets.sentinel);
        users::grant(&self.operator, &users).await?;
        if is_cluster {
            users::grant(&self.operator, users::PARTITIONS).await?;
            users::grant(&self.operator, users::CLUSTER).await?;
        }
        for (name, value) in [
            ("masteruser", "replica"),
            ("masterauth", &secrets.replica),
            // The transfer starts at once. By default the primary waits for further replicas first.
            ("repl-diskless-sync-delay", "0"),
        ] {
            self.tell::<()>(&["CONFIG", "SET", name, value]).await?;
        }
        self.tell(&["CONFIG", "REWRITE"]).await
    }

    pub(crate) async fn tell<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let told = self.operator.ask(words).await;
        told.with_context(|| self.server.process().name().to_owned())
    }
}

pub(crate) fn parse(url: &str) -> Result<RedisUrl> {
    url.parse().map_err(|error: String| anyhow!(error))
}
