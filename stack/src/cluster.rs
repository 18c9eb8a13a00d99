//! One store on several servers: a Redis Cluster of primaries. Each primary has replicas, and a
//! replica takes over when its primary is gone.
//!
//! Every server runs with the shipped configuration and users, plus `SETTINGS` and the users of
//! `deploy/acl/replication.acl`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use shared::redis::Redis;

use crate::credentials::{Credentials, User};
use crate::node::{Node, Secrets, parse};
use crate::operator::Operator;
use crate::ports;
use crate::ports::Port;
use crate::redis::{Owner, RedisOptions, RedisServer};
use crate::wait::{wait_for, wait_until};
use view::View;

mod formation;
mod moves;
mod view;

/// The number of slots of every cluster.
const SLOTS: usize = 16_384;
/// The settings of each server beside the shipped ones.
const SETTINGS: [(&str, &str); 6] = [
    ("cluster-enabled", "yes"),
    ("cluster-config-file", "nodes.conf"),
    ("cluster-announce-ip", "127.0.0.1"),
    // Milliseconds of silence after which a node has failed, if most primaries agree.
    ("cluster-node-timeout", "1000"),
    // Partitions do not depend on one another, so a lost partition must not stop the others.
    ("cluster-require-full-coverage", "no"),
    // Each primary keeps the replicas that it was given.
    ("cluster-allow-replica-migration", "no"),
];
/// The distance from a node's fixed port for clients to its port for the other nodes.
pub const BUS: u16 = 10_000;
/// The limit of every wait in this module.
const LIMIT: Duration = Duration::from_mins(1);

/// A running cluster. Its servers are killed when it is dropped; its folder stays.
pub struct Cluster {
    store: Owner,
    nodes: Vec<Node>,
    primaries: usize,
    credentials: Credentials,
    _bus: Vec<Port>,
}

impl Cluster {
    /// Starts this number of primaries with this number of replicas each, and waits until a
    /// failover could happen. The servers listen on ports from `first_port` on, or on free ports.
    /// A folder with data is used again if the ports are the same.
    pub async fn start(
        options: RedisOptions,
        primaries: usize,
        replicas: usize,
        first_port: Option<u16>,
    ) -> Result<Self> {
        fs::create_dir_all(&options.dir)?;
        let credentials = Credentials::load_or_create(&options.dir)?;
        let secrets = Secrets::random()?;
        let count = primaries * (1 + replicas);
        let (mut starts, mut bus) = (Vec::new(), Vec::new());
        for number in 0..count {
            let port = first_port.map(|first| first + u16::try_from(number).unwrap_or(0));
            let bus_port = if let Some(port) = port {
                port + BUS
            } else {
                bus.push(ports::free()?);
                bus[bus.len() - 1].number()
            };
            let mut server = options.of_server(number);
            server.overrides.settings.extend(settings(bus_port));
            starts.push(Node::start(server, &options.dir, &secrets, port));
        }
        let nodes = join_all(starts)
            .await
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let cluster = Self {
            store: options.store,
            nodes,
            primaries,
            credentials,
            _bus: bus,
        };
        if cluster.view(0).await?.acquainted() == 1 {
            cluster.form().await?;
        }
        cluster.wait_whole().await?;
        Ok(cluster)
    }

    /// The address of the store for `user`, which names every server.
    pub fn url(&self, user: User) -> String {
        let (name, password) = (user.name(), self.credentials.password(user));
        let address = |node: &Node| format!("127.0.0.1:{}", node.server.port());
        let [first, rest @ ..] = &self.nodes[..] else {
            return String::new();
        };
        let others: Vec<_> = rest
            .iter()
            .map(|node| format!("node={}", address(node)))
            .collect();
        format!(
            "redis-cluster://{name}:{password}@{}?{}",
            address(first),
            others.join("&")
        )
    }

    /// A server by its number. The servers that started as primaries come first, each with an equal
    /// share of the slots. Their replicas follow.
    pub fn node(&self, number: usize) -> &RedisServer {
        &self.nodes[number].server
    }

    /// All servers.
    pub fn servers(&self) -> impl Iterator<Item = Arc<RedisServer>> {
        self.nodes.iter().map(|node| node.server.clone())
    }

    /// A client of one server that may do everything, whether the server is a primary or a replica.
    pub fn operator_of(&self, number: usize) -> &Operator {
        &self.nodes[number].operator
    }

    /// A client of the whole cluster that may do everything.
    pub fn operator(&self) -> Result<Redis> {
        Ok(Redis::worker(&parse(&self.url(User::Operator))?))
    }

    /// The slot of a key.
    pub async fn slot_of(&self, key: &str) -> Result<u16> {
        self.nodes[0].tell(&["CLUSTER", "KEYSLOT", key]).await
    }

    /// The number of the primary that has a slot, if all servers that answer agree.
    pub async fn primary_of(&self, slot: u16) -> Result<usize> {
        let mut found = None;
        for number in self.running() {
            let view = self.view(number).await?;
            let owner = view.owner_of(slot).context("no node has the slot")?;
            ensure!(
                found.is_none_or(|found| found == owner),
                "the nodes do not agree"
            );
            found = Some(owner);
        }
        self.number_at(found.context("no node answers")?)
    }

    /// Waits until all running servers agree that another server than `old` has the slot. Answers
    /// the number of that server.
    pub async fn wait_failover(&self, slot: u16, old: usize) -> Result<usize> {
        let what = format!(
            "another primary of slot {slot} of the {} store",
            self.store.name()
        );
        wait_for(&what, LIMIT, || async {
            self.primary_of(slot)
                .await
                .ok()
                .filter(|primary| *primary != old)
        })
        .await
    }

    /// Starts a server that was killed, and waits until every primary has its replicas again.
    pub async fn bring_back(&self, number: usize) -> Result<()> {
        self.node(number).restart().await?;
        self.wait_whole().await
    }

    /// Waits until every server knows all others, all slots are served, and all replicas are up to
    /// date.
    pub async fn wait_whole(&self) -> Result<()> {
        let what = format!("the cluster of the {} store", self.store.name());
        wait_until(&what, LIMIT, || async {
            for number in 0..self.nodes.len() {
                if !self.is_whole(number).await.unwrap_or(false) {
                    return false;
                }
            }
            true
        })
        .await
    }

    async fn is_whole(&self, number: usize) -> Result<bool> {
        let info: String = self.nodes[number].tell(&["CLUSTER", "INFO"]).await?;
        let says = |line: &str| info.lines().any(|found| found.trim() == line);
        let replication: String = self.nodes[number].tell(&["INFO", "replication"]).await?;
        let replicas = self.nodes.len() / self.primaries - 1;
        let is_synced = if replication.contains("role:master") {
            replication.matches("state=online").count() == replicas
        } else {
            replication.contains("master_link_status:up")
        };
        Ok(says("cluster_state:ok")
            && says(&format!("cluster_slots_ok:{SLOTS}"))
            && says(&format!("cluster_known_nodes:{}", self.nodes.len()))
            && is_synced)
    }

    fn running(&self) -> impl Iterator<Item = usize> {
        let runs = |number: &usize| self.node(*number).process().exit().is_none();
        (0..self.nodes.len()).filter(runs)
    }

    fn number_at(&self, port: u16) -> Result<usize> {
        let number = self
            .nodes
            .iter()
            .position(|node| node.server.port() == port);
        number.with_context(|| format!("no node has port {port}"))
    }

    async fn view(&self, number: usize) -> Result<View> {
        let nodes: String = self.nodes[number].tell(&["CLUSTER", "NODES"]).await?;
        Ok(View::parse(&nodes))
    }
}

/// A slot that has moved.
#[derive(Debug)]
pub struct Moved {
    /// The number of keys that moved with it.
    pub keys: usize,
    /// The time that the move took.
    pub took: Duration,
}

/// The settings of a server whose port for the other servers is `bus`.
fn settings(bus: u16) -> impl Iterator<Item = (String, String)> {
    let settings = SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bus = ("cluster-port".to_owned(), bus.to_string());
    settings.into_iter().chain([bus])
}
