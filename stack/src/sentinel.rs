//! One store that survives the loss of a server: a primary, its replicas, and three Sentinels that
//! make a replica the primary when the primary is gone.
//!
//! Every server runs with the shipped configuration and users, plus the users of
//! `deploy/acl/replication.acl`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use shared::redis::Redis;

use crate::credentials::{Credentials, User, random_password};
use crate::node::{Node, Secrets, parse};
use crate::operator::Operator;
use crate::redis::{Owner, RedisOptions, RedisServer};
use crate::wait::{wait_for, wait_until};
use watcher::Watcher;

mod watcher;

/// More than half of the Sentinels have to agree on a failover. With three, one may be lost.
const SENTINELS: usize = 3;
/// The limit of every wait in this module. It leaves time for a second attempt of the Sentinels.
const LIMIT: Duration = Duration::from_mins(1);

/// A running store with its replicas and Sentinels. They are killed when it is dropped; its folder
/// stays.
pub struct Replicated {
    store: Owner,
    nodes: Vec<Node>,
    sentinels: Vec<Watcher>,
    credentials: Credentials,
    secrets: Secrets,
    /// The password of clients at the Sentinels.
    watchers: String,
}

impl Replicated {
    /// Starts a primary with this number of replicas, and waits until a failover could happen.
    pub async fn start(options: RedisOptions, replicas: usize) -> Result<Self> {
        fs::create_dir_all(&options.dir)?;
        let secrets = Secrets::random()?;
        let credentials = Credentials::load_or_create(&options.dir)?;
        let mut nodes = Vec::new();
        for number in 0..=replicas {
            let server = options.of_server(number);
            nodes.push(Node::start(server, &options.dir, &secrets, None).await?);
        }
        let mut store = Self {
            store: options.store,
            nodes,
            sentinels: Vec::new(),
            credentials,
            secrets,
            watchers: random_password()?,
        };
        for replica in 1..=replicas {
            store.follow(replica, 0).await?;
        }
        let complete = wait_until("the replicas", LIMIT, || async {
            store.replicas_of(0).await == Some(replicas)
        });
        complete.await?;
        // A Sentinel that starts before the replicas looks for them again only after 10 s.
        for number in 0..SENTINELS {
            store.sentinels.push(store.watch(&options, number)?);
        }
        for sentinel in &store.sentinels {
            sentinel.wait_ready(SENTINELS - 1, replicas).await?;
        }
        Ok(store)
    }

    /// The address of the store for `user`, which names the Sentinels: they know the primary.
    pub fn url(&self, user: User) -> String {
        let address = |sentinel: &Watcher| format!("127.0.0.1:{}", sentinel.port());
        let [first, rest @ ..] = &self.sentinels[..] else {
            return String::new();
        };
        let nodes: Vec<_> = rest
            .iter()
            .map(|node| format!("node={}&", address(node)))
            .collect();
        let nodes = nodes.concat();
        format!(
            "redis-sentinel://{}:{}@{}?{nodes}sentinelServiceName={}&sentinelPassword={}",
            user.name(),
            self.credentials.password(user),
            address(first),
            self.store.name(),
            self.watchers,
        )
    }

    /// All servers.
    pub fn servers(&self) -> impl Iterator<Item = Arc<RedisServer>> {
        self.nodes.iter().map(|node| node.server.clone())
    }

    /// A server by its number. Server 0 started as the primary.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number].server
    }

    /// A client of one server that may do everything, whether the server is a primary or a replica.
    pub fn operator_of(&self, number: usize) -> &Operator {
        &self.nodes[number].operator
    }

    /// A client of whichever server is the primary, that may do everything.
    pub fn operator(&self) -> Result<Redis> {
        Ok(Redis::worker(&parse(&self.url(User::Operator))?))
    }

    /// The number of the server that most Sentinels take for the primary.
    pub async fn primary(&self) -> Result<usize> {
        let mut votes = vec![0; self.nodes.len()];
        for sentinel in &self.sentinels {
            let port = sentinel.primary().await;
            let named = |node: &Node| Some(node.server.port()) == port;
            if let Some(number) = self.nodes.iter().position(named) {
                votes[number] += 1;
            }
        }
        let elected = votes.iter().position(|votes| *votes > SENTINELS / 2);
        elected.context("the Sentinels do not agree about the primary")
    }

    /// Kills the primary, and answers its number.
    pub async fn kill_primary(&self) -> Result<usize> {
        let number = self.primary().await?;
        self.node(number).kill();
        Ok(number)
    }

    /// Makes a replica the primary while the old primary runs, as for maintenance.
    pub async fn hand_over(&self) -> Result<()> {
        self.sentinels
            .first()
            .context("no Sentinel")?
            .fail_over()
            .await
    }

    /// Waits until another server than `old` is the primary, and answers its number.
    pub async fn wait_failover(&self, old: usize) -> Result<usize> {
        let what = format!("another primary of the {} store", self.store.name());
        wait_for(&what, LIMIT, || async {
            let primary = self.primary().await.ok().filter(|number| *number != old)?;
            self.is_primary(primary).await.then_some(primary)
        })
        .await
    }

    /// Starts a killed or frozen server again as a replica of the present primary, and waits until
    /// every replica is up to date. The Sentinels would do the same by themselves after some
    /// seconds.
    pub async fn return_as_replica(&self, number: usize) -> Result<()> {
        self.node(number).restart().await?;
        let what = format!("all replicas of the {} store", self.store.name());
        wait_for(&what, LIMIT, || async {
            // On a busy machine the Sentinels may choose another primary meanwhile.
            let primary = self.primary().await.ok()?;
            if primary != number && self.is_primary(number).await {
                self.follow(number, primary).await.ok()?;
            }
            (self.replicas_of(primary).await? == self.nodes.len() - 1).then_some(())
        })
        .await
    }

    /// The log lines of each Sentinel in turn, for a test that fails.
    pub fn history(&self) -> Vec<String> {
        self.sentinels.iter().flat_map(Watcher::history).collect()
    }

    /// The number of replicas of a server that are up to date.
    pub async fn replicas_of(&self, primary: usize) -> Option<usize> {
        let told = self.replication(primary).await?;
        Some(told.matches("state=online").count())
    }

    async fn follow(&self, replica: usize, primary: usize) -> Result<()> {
        let port = self.node(primary).port().to_string();
        self.nodes[replica]
            .tell(&["REPLICAOF", "127.0.0.1", &port])
            .await
    }

    /// Whether a server takes itself for the primary.
    async fn is_primary(&self, number: usize) -> bool {
        self.replication(number)
            .await
            .is_some_and(|info| info.contains("role:master"))
    }

    async fn replication(&self, number: usize) -> Option<String> {
        self.operator_of(number)
            .ask(&["INFO", "replication"])
            .await
            .ok()
    }

    fn watch(&self, options: &RedisOptions, number: usize) -> Result<Watcher> {
        let dir = options.dir.join(format!("sentinel-{number}"));
        let sentinel = &self.secrets.sentinel;
        Watcher::start(options, &dir, self.node(0).port(), sentinel, &self.watchers)
    }
}
