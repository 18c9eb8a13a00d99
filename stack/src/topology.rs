//! The servers behind the store of a service: one, a primary with replicas, or a cluster.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use shared::redis::Redis;

use crate::cluster::Cluster;
use crate::credentials::User;
use crate::node::parse;
use crate::redis::{RedisOptions, RedisServer};
use crate::sentinel::Replicated;
use crate::{cluster, users};

/// How many servers a store has, and how they work together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// One server.
    #[default]
    Single,
    /// A primary, its replicas, and three Sentinels.
    Replicated {
        /// The number of replicas.
        replicas: usize,
    },
    /// A Redis Cluster.
    Clustered {
        /// The number of primaries, which share the slots.
        primaries: usize,
        /// The number of replicas of each primary.
        replicas: usize,
    },
}

/// The running servers of one store. They are killed when this is dropped; their folder stays.
pub enum StoreServers {
    /// See [`Topology::Single`].
    Single(Arc<RedisServer>),
    /// See [`Topology::Replicated`].
    Replicated(Replicated),
    /// See [`Topology::Clustered`].
    Clustered(Cluster),
}

/// The longest time for the services to be ready while each store has one primary. After the death
/// of a primary, Sentinels need some seconds to choose another one.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// The same for clusters. They have more servers to start, and after the death of a primary the
/// services wait until the cluster serves all slots again.
const CLUSTER_READY_LIMIT: Duration = Duration::from_mins(1);

impl Topology {
    /// Three primaries with a replica each. With fewer primaries no majority is left to agree that
    /// a primary has failed.
    pub const CLUSTER: Self = Self::Clustered {
        primaries: 3,
        replicas: 1,
    };

    /// Starts the servers on ports from `first_port` on, or on free ports. A single server on a
    /// given port may still read its data back afterwards: see [`StoreServers::wait_ready`].
    pub async fn launch(
        self,
        options: RedisOptions,
        first_port: Option<u16>,
    ) -> Result<StoreServers> {
        Ok(match self {
            Self::Single => {
                let server = match first_port {
                    Some(port) => RedisServer::launch(options, port)?,
                    None => RedisServer::start(options).await?,
                };
                StoreServers::Single(Arc::new(server))
            }
            Self::Replicated { replicas } => {
                ensure!(first_port.is_none(), "its servers take free ports only");
                let store = Box::pin(Replicated::start(options, replicas));
                StoreServers::Replicated(store.await?)
            }
            Self::Clustered {
                primaries,
                replicas,
            } => {
                let store = Cluster::start(options, primaries, replicas, first_port);
                StoreServers::Clustered(Box::pin(store).await?)
            }
        })
    }

    /// The ports of the servers of a store that was launched with this first port.
    pub fn ports(self, first_port: u16) -> Vec<u16> {
        match self {
            Self::Single | Self::Replicated { .. } => vec![first_port],
            Self::Clustered {
                primaries,
                replicas,
            } => {
                let count = u16::try_from(primaries * (1 + replicas)).unwrap_or(u16::MAX);
                let ports = first_port..first_port.saturating_add(count);
                ports.flat_map(|port| [port, port + cluster::BUS]).collect()
            }
        }
    }
}

impl StoreServers {
    /// Waits until a single server answers. The servers of other topologies answer already.
    pub async fn wait_ready(&self) -> Result<()> {
        match self {
            Self::Single(server) => server.wait_ready().await,
            Self::Replicated(_) | Self::Clustered(_) => Ok(()),
        }
    }

    /// The longest time for the services on this store to be ready.
    pub(crate) fn ready_limit(&self) -> Duration {
        match self {
            Self::Single(_) | Self::Replicated(_) => READY_LIMIT,
            Self::Clustered(_) => CLUSTER_READY_LIMIT,
        }
    }

    /// Lets both services use partitions.
    pub async fn allow_partitions(&self) -> Result<()> {
        // A cluster has allowed them from the start.
        if !matches!(self, Self::Clustered(_)) {
            for server in self.servers() {
                users::allow_partitions(&server).await?;
            }
        }
        Ok(())
    }

    /// The address of the store for `user`.
    pub fn url(&self, user: User) -> String {
        match self {
            Self::Single(server) => server.url(user),
            Self::Replicated(store) => store.url(user),
            Self::Clustered(store) => store.url(user),
        }
    }

    /// A client of the whole store that may do everything.
    pub fn operator(&self) -> Result<Redis> {
        Ok(Redis::worker(&parse(&self.url(User::Operator))?))
    }

    /// All servers by their numbers. Those that started as primaries come first.
    pub fn servers(&self) -> Vec<Arc<RedisServer>> {
        match self {
            Self::Single(server) => vec![server.clone()],
            Self::Replicated(store) => store.servers().collect(),
            Self::Clustered(store) => store.servers().collect(),
        }
    }

    /// The number of the primary of `key`: in a cluster the present primary, otherwise the server
    /// that started as the primary.
    pub async fn primary_of(&self, key: &str) -> Result<usize> {
        match self {
            Self::Single(_) | Self::Replicated(_) => Ok(0),
            Self::Clustered(store) => {
                let slot = store.slot_of(key).await?;
                let primary = store.primary_of(slot).await;
                primary.with_context(|| format!("the primary of {key}"))
            }
        }
    }

    /// The only server.
    ///
    /// # Panics
    ///
    /// When the topology is another one, because then the test is wrong.
    pub fn single(&self) -> &Arc<RedisServer> {
        match self {
            Self::Single(server) => server,
            Self::Replicated(_) | Self::Clustered(_) => panic!("the store has several servers"),
        }
    }

    /// The primary with its replicas.
    ///
    /// # Panics
    ///
    /// When the topology is another one, because then the test is wrong.
    pub fn replicated(&self) -> &Replicated {
        match self {
            Self::Replicated(store) => store,
            Self::Single(_) | Self::Clustered(_) => panic!("the store has no Sentinels"),
        }
    }

    /// The cluster.
    ///
    /// # Panics
    ///
    /// When the topology is another one, because then the test is wrong.
    pub fn cluster(&self) -> &Cluster {
        match self {
            Self::Clustered(store) => store,
            Self::Single(_) | Self::Replicated(_) => panic!("the store is no cluster"),
        }
    }
}
