//! A running system of any shape: its stores single, with a replica or clusters, partitioned or not,
//! and several processes of each role.

use std::net::SocketAddr;
use std::num::NonZeroU16;

use anyhow::{Context, Result, ensure};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::contract::id::{Partitions, ProductId};
use stack::binaries::Binaries;
use stack::clustered::ClusteredSystem;
use stack::process::Process;
use stack::redis::{Owner, RedisServer};
use stack::replicated::ReplicatedSystem;
use stack::role::Role;
use stack::system::System;
use tokio::runtime::Runtime;

use crate::goods;
use crate::load::{Load, Until};
use crate::machine::Group;
use crate::options::Options;
use crate::shop::{address, wait_for_rest};

pub(crate) use shards::{Shards, Usage, heard};

mod shards;

/// What both stores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stores {
    /// One server each.
    Single,
    /// A primary with one replica each, and Sentinels.
    Replicated,
    /// Three primaries with a replica each.
    Clustered,
}

/// What a system consists of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// What its figures are called.
    pub(crate) name: &'static str,
    pub(crate) stores: Stores,
    /// Into how many parts the keys of each store are divided; 0: they are not.
    pub(crate) partitions: u16,
    /// How many processes of each role there are.
    pub(crate) replicas: usize,
    /// How many replicas of a store are waited for.
    pub(crate) acks: u8,
}

/// The system, with clients for all nodes of its stores.
pub(crate) struct Fleet {
    // Dropped before the runtime, which its start needed.
    running: Running,
    pub(crate) inventory: Shards,
    pub(crate) payments: Shards,
    _runtime: Runtime,
    replicas: usize,
}

enum Running {
    Single(Box<System>),
    Replicated(ReplicatedSystem),
    Clustered(ClusteredSystem),
}

impl Shape {
    /// One store for each service, and one process of each role.
    pub(crate) const ONE: Self = Self {
        name: "one",
        stores: Stores::Single,
        partitions: 0,
        replicas: 1,
        acks: 0,
    };

    fn settings(&self) -> Vec<(&'static str, String)> {
        // Lines about each order would measure who reads them: this program.
        let always = [
            ("RUST_LOG", "warn".to_owned()),
            ("COMPLETION_DELAY", "0".to_owned()),
        ];
        // A machine that is full keeps replicas waiting, and a refusal would end the measurement.
        let wait = ("REPLICA_ACK_TIMEOUT", "500ms".to_owned());
        let acks = ("REPLICA_ACKS", self.acks.to_string());
        let partitions = (self.partitions > 0).then(|| ("PARTITIONS", self.partitions.to_string()));
        always
            .into_iter()
            .chain([acks, wait])
            .chain(partitions)
            .collect()
    }

    fn partitions(&self) -> Partitions {
        NonZeroU16::new(self.partitions).map_or(Partitions::NONE, Partitions::new)
    }
}

impl Fleet {
    /// Starts a system of this shape.
    pub(crate) fn open(options: &Options, binaries: &Binaries, shape: &Shape) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let given = |name: &str| options.env.iter().any(|(given, _)| given == name);
        let mut env = shape.settings();
        env.retain(|(name, _)| !given(name));
        let env = env.iter().map(|(name, value)| (*name, value.as_str()));
        let more = options
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let env: Vec<(&str, &str)> = env.chain(more).collect();
        let running = runtime.block_on(Running::start(shape, binaries, &env))?;
        let shards = |store| runtime.block_on(running.shards(store, shape.partitions()));
        let (inventory, payments) = (shards(Owner::Inventory)?, shards(Owner::Payments)?);
        let replicas = shape.replicas;
        let mut fleet = Self {
            running,
            inventory,
            payments,
            _runtime: runtime,
            replicas,
        };
        for store in [&mut fleet.inventory, &mut fleet.payments] {
            store.configure("appendfsync", options.fsync.word())?;
            // A rewrite of the file would fall into one measurement and not into the other.
            store.configure("auto-aof-rewrite-percentage", "0")?;
        }
        Ok(fleet)
    }

    /// Every process there is: services under names such as `payments serve 2`, and nodes of stores.
    pub(crate) fn group(&self) -> Result<Group> {
        let mut members = Vec::new();
        for (name, _) in self.names(&Role::ALL) {
            let (process, _) = self.running.member(&name)?;
            members.push((name, process));
        }
        members.extend(self.inventory.processes().chain(self.payments.processes()));
        Ok(Group::new(members))
    }

    /// Puts products up for sale.
    pub(crate) fn products(&self, count: u64) -> Result<Vec<ProductId>> {
        goods::create(self.at(Role::InventoryServe)?[0], count)
    }

    /// Orders of these products in turn, at all processes that take orders.
    pub(crate) fn orders(
        &self,
        products: &[ProductId],
        connections: usize,
        until: Until,
    ) -> Result<Load> {
        Ok(goods::orders(
            self.at(Role::PaymentsServe)?,
            products,
            connections,
            until,
        ))
    }

    /// Waits until nothing is due, and both groups have and have acknowledged everything.
    pub(crate) fn rest(&mut self) -> Result<()> {
        wait_for_rest(|| self.rests())
    }

    /// How many pieces of these products are gone. Anything that was set aside is an error.
    pub(crate) fn sold(&mut self, products: &[ProductId]) -> Result<u64> {
        for store in [&mut self.inventory, &mut self.payments] {
            ensure!(store.dead_letters()? == 0, "events were set aside");
        }
        goods::sold(self.at(Role::InventoryServe)?[0], products)
    }

    /// In the order in which an order travels, see `Shop::rests`.
    fn rests(&mut self) -> Result<bool> {
        Ok(!self.payments.has_due()?
            && self.payments.is_settled::<OrderCompleted>()?
            && self.inventory.is_settled::<RefundOrder>()?)
    }

    /// The addresses of all processes of a role.
    fn at(&self, role: Role) -> Result<Vec<SocketAddr>> {
        let names = self.names(&[role]).into_iter();
        names
            .map(|(name, _)| address(&self.running.member(&name)?.1))
            .collect()
    }

    fn names(&self, roles: &[Role]) -> Vec<(String, Role)> {
        let name = |role: &Role, number: usize| match number {
            1 => role.name().to_owned(),
            _ => format!("{} {number}", role.name()),
        };
        let of = |role| (1..=self.replicas).map(move |number| (name(role, number), *role));
        roles.iter().flat_map(of).collect()
    }
}

impl Running {
    async fn start(shape: &Shape, binaries: &Binaries, env: &[(&str, &str)]) -> Result<Self> {
        let numbers = 2..=shape.replicas;
        match shape.stores {
            Stores::Single => {
                let mut builder = System::builder().binaries(binaries.clone());
                for (name, value) in env {
                    builder = builder.env(name, value);
                }
                let system = builder.start().await?;
                for number in numbers {
                    for role in Role::ALL {
                        system.start_replica(role.name(), number).await?;
                    }
                }
                Ok(Self::Single(Box::new(system)))
            }
            Stores::Replicated => {
                ensure!(
                    shape.replicas == 1,
                    "one process of each role is started there"
                );
                Ok(Self::Replicated(
                    ReplicatedSystem::start_of(binaries, 1, env).await?,
                ))
            }
            Stores::Clustered => {
                let system = ClusteredSystem::start_of(binaries.clone(), env).await?;
                for number in numbers {
                    system.start_replicas(&Role::ALL, number).await?;
                }
                Ok(Self::Clustered(system))
            }
        }
    }

    /// The id of a process and where it answers.
    fn member(&self, name: &str) -> Result<(u32, String)> {
        let found = |process: &Process, url: String| (process.pid(), url);
        Ok(match self {
            Self::Single(system) => found(&system.process(name), system.url(name)),
            Self::Replicated(system) => {
                let member = system.member(Role::by_name(name)?)?;
                found(&member.process, member.url.clone())
            }
            Self::Clustered(system) => {
                let member = system.member(name)?;
                found(&member.process, member.url)
            }
        })
    }

    /// The nodes of a store, and where each partition is.
    async fn shards(&self, store: Owner, partitions: Partitions) -> Result<Shards> {
        let nodes: Vec<&RedisServer> = match (self, store) {
            (Self::Single(system), Owner::Inventory) => vec![system.inventory_redis()],
            (Self::Single(system), Owner::Payments) => vec![system.payments_redis()],
            (Self::Replicated(system), _) => (0..2)
                .map(|number| system.store(store).node(number))
                .collect(),
            (Self::Clustered(system), _) => {
                let count = system.store(store).servers().count();
                (0..count)
                    .map(|number| system.store(store).node(number))
                    .collect()
            }
        };
        let mut homes = Vec::new();
        for partition in partitions.all() {
            let home = match self {
                Self::Clustered(system) => {
                    let cluster = system.store(store);
                    let slot = cluster.slot_of(&partition.key("identity")).await?;
                    cluster
                        .primary_of(slot)
                        .await
                        .context("a partition without a primary")?
                }
                _ => 0,
            };
            homes.push((partition, home));
        }
        Shards::connect(store, &nodes, homes)
    }
}
