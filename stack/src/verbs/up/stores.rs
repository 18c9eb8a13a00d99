//! The two stores of a run: one server each, or a cluster each.

use std::sync::Arc;

use anyhow::Result;
use stack::cluster::Cluster;
use stack::credentials::User;
use stack::guard::Guard;
use stack::ports::Ports;
use stack::redis::{Overrides, Owner, RedisOptions, RedisServer};
use stack::{cluster, users};

use super::Plan;
use super::running::Running;

const PRIMARIES: u16 = 3;
const REPLICAS: u16 = 1;

/// The stores of inventory and of payments.
pub(super) struct Stores([OneStore; 2]);

enum OneStore {
    Single(Arc<RedisServer>),
    Cluster(Cluster),
}

/// Starts both, and waits until they answer.
pub(super) async fn start(plan: &Plan, guard: &Guard, running: &Running) -> Result<Stores> {
    let (inventory, payments) = (plan.ports.inventory_redis, plan.ports.payments_redis);
    if plan.cluster {
        let (inventory, payments) = tokio::try_join!(
            start_cluster(plan, Owner::Inventory, inventory, guard, running),
            start_cluster(plan, Owner::Payments, payments, guard, running),
        )?;
        return Ok(Stores([
            OneStore::Cluster(inventory),
            OneStore::Cluster(payments),
        ]));
    }
    let inventory = start_single(plan, Owner::Inventory, inventory, guard, running)?;
    let payments = start_single(plan, Owner::Payments, payments, guard, running)?;
    inventory.wait_ready().await?;
    payments.wait_ready().await?;
    if has_partitions() {
        for store in [&inventory, &payments] {
            users::allow_partitions(store).await?;
        }
    }
    Ok(Stores([
        OneStore::Single(inventory),
        OneStore::Single(payments),
    ]))
}

/// Whether the services, which have the same environment, are told how many partitions there are.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read the number, this only whether"
)]
fn has_partitions() -> bool {
    ["PARTITIONS", "PARTITIONS_FILE"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some())
}

/// The further ports that clusters listen on, with the names of their owners.
pub(super) fn ports(ports: &Ports) -> Vec<(&'static str, u16)> {
    let stores = [
        ("inventory redis", ports.inventory_redis),
        ("payments redis", ports.payments_redis),
    ];
    let nodes = |(name, first): (&'static str, u16)| {
        let ports = (0..PRIMARIES * (1 + REPLICAS)).map(move |number| first + number);
        ports.flat_map(move |port| [(name, port), (name, port + cluster::BUS)])
    };
    let mut all: Vec<_> = stores.into_iter().flat_map(nodes).collect();
    // The first of each is looked at without a cluster, too.
    all.retain(|named| !stores.contains(named));
    all
}

impl Stores {
    /// The addresses of both for this user.
    pub(super) fn urls(&self, user: User) -> [String; 2] {
        self.0.each_ref().map(|store| match store {
            OneStore::Single(redis) => redis.url(user),
            OneStore::Cluster(cluster) => cluster.url(user),
        })
    }

    /// How people reach them: a flag of `redis-cli` with a space behind it, or nothing, and a server.
    pub(super) fn entrances(&self) -> [(&'static str, &RedisServer); 2] {
        self.0.each_ref().map(|store| match store {
            OneStore::Single(redis) => ("", &**redis),
            OneStore::Cluster(cluster) => ("-c ", cluster.node(0)),
        })
    }
}

fn start_single(
    plan: &Plan,
    store: Owner,
    port: u16,
    guard: &Guard,
    running: &Running,
) -> Result<Arc<RedisServer>> {
    let options = RedisOptions {
        store,
        dir: plan.data.store(store),
        server: plan.server.clone(),
        guard: guard.clone(),
        sink: Some(
            plan.output
                .warnings_sink(&format!("{} redis", store.name())),
        ),
        overrides: Overrides::default(),
    };
    let redis = Arc::new(RedisServer::launch(options, port)?);
    running.add_store(redis.clone());
    Ok(redis)
}

async fn start_cluster(
    plan: &Plan,
    store: Owner,
    first_port: u16,
    guard: &Guard,
    running: &Running,
) -> Result<Cluster> {
    let options = cluster::Options {
        store,
        dir: plan.data.store(store),
        server: plan.server.clone(),
        guard: guard.clone(),
        primaries: usize::from(PRIMARIES),
        replicas: usize::from(REPLICAS),
        first_port: Some(first_port),
        sink: Some(
            plan.output
                .warnings_sink(&format!("{} redis", store.name())),
        ),
    };
    let cluster = Cluster::start(options).await?;
    cluster
        .servers()
        .for_each(|server| running.add_store(server));
    Ok(cluster)
}
