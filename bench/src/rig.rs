//! The running system that is measured. Its stores are single servers, primaries with replicas, or
//! clusters, with or without partitions. It has one or more processes of each role.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::contract::id::ProductId;
use shared::store::partition::Partitions;
use stack::binaries::Binaries;
use stack::load::{CONNECTIONS, Load, Outcome, Until};
use stack::redis::Owner;
use stack::role::Role;
use stack::system::System;
use tokio::runtime::Runtime;

use crate::catalogue;
use crate::catalogue::PRODUCTS;
use crate::machine::{Group, Used};
use crate::monitor::Monitor;
use crate::options::Options;

pub(crate) use shape::Shape;
pub(crate) use shards::{Shards, Usage, heard};

mod shape;
mod shards;

/// The longest time for the system to come to rest.
const REST_LIMIT: Duration = Duration::from_mins(5);
/// The pause between two looks at the working system.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// The system, with clients for all servers of its stores.
pub(crate) struct Rig {
    // Dropped before the runtime, on which it was started.
    pub(crate) system: System,
    pub(crate) inventory: Shards,
    pub(crate) payments: Shards,
    /// What is ordered.
    pub(crate) products: Vec<ProductId>,
    pub(crate) options: Options,
    /// Its programs.
    pub(crate) binaries: Binaries,
    runtime: Runtime,
    replicas: usize,
}

/// A run from its first order to its last acknowledgement.
pub(crate) struct Run {
    pub(crate) orders: u64,
    pub(crate) seconds: f64,
    pub(crate) posted: Outcome,
    pub(crate) used: Used,
}

impl Rig {
    /// Starts a system of one store for each service and one process of each role.
    pub(crate) fn open(
        options: &Options,
        binaries: &Binaries,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        Self::start(options, binaries, &Shape::ONE, settings)
    }

    /// Starts a system of this shape, which pays at once.
    pub(crate) fn open_shape(
        options: &Options,
        binaries: &Binaries,
        shape: &Shape,
    ) -> Result<Self> {
        let settings = shape.settings();
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        Self::start(options, binaries, shape, &settings.collect::<Vec<_>>())
    }

    fn start(
        options: &Options,
        binaries: &Binaries,
        shape: &Shape,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut builder = System::builder()
            .binaries(binaries.clone())
            .topology(shape.topology);
        // With a log line for each order, the bench would also measure its own reading of the log.
        for (name, value) in [("RUST_LOG", "warn")].iter().chain(settings) {
            if !options.env.iter().any(|(given, _)| given == name) {
                builder = builder.env(name, value);
            }
        }
        for (name, value) in &options.env {
            builder = builder.env(name, value);
        }
        let system = runtime.block_on(async {
            let system = Box::pin(builder.start()).await?;
            for number in 2..=shape.replicas {
                system.start_replicas(&Role::ALL, number).await?;
            }
            anyhow::Ok(system)
        })?;
        let shards = |owner| runtime.block_on(shards_of(&system, owner, shape.partitions()));
        let (inventory, payments) = (shards(Owner::Inventory)?, shards(Owner::Payments)?);
        let mut rig = Self {
            system,
            inventory,
            payments,
            products: Vec::new(),
            options: options.clone(),
            runtime,
            binaries: binaries.clone(),
            replicas: shape.replicas,
        };
        rig.products = catalogue::create(rig.inventory_address()?, PRODUCTS)?;
        rig.fsync(options.fsync.word())?;
        for store in [&mut rig.inventory, &mut rig.payments] {
            // A rewrite of the append-only file would disturb some measurements and not others.
            store.configure("auto-aof-rewrite-percentage", "0")?;
        }
        Ok(rig)
    }

    /// Tells both stores how often to write to disk.
    pub(crate) fn fsync(&mut self, word: &str) -> Result<()> {
        self.inventory.configure("appendfsync", word)?;
        self.payments.configure("appendfsync", word)
    }

    /// All processes: services, with names such as `payments serve 2`, and servers of stores.
    pub(crate) fn group(&self) -> Group {
        let process = |name: String| {
            let pid = self.system.process(&name).pid();
            (name, pid)
        };
        let services = self.names(&Role::ALL).into_iter().map(process);
        let servers = self.inventory.processes().chain(self.payments.processes());
        Group::new(services.chain(servers))
    }

    /// The address of the first process of payments.
    pub(crate) fn payments_address(&self) -> Result<SocketAddr> {
        address(&self.system.payments_url())
    }

    /// The address of the first process of inventory.
    pub(crate) fn inventory_address(&self) -> Result<SocketAddr> {
        address(&self.system.inventory_url())
    }

    /// A load of orders for one piece of each product in turn, shared out among all processes of
    /// `payments serve`.
    pub(crate) fn orders(&self, connections: usize, until: Until) -> Result<Load> {
        let names = self.names(&[Role::PaymentsServe]).into_iter();
        let addresses = names.map(|name| address(&self.system.url(&name)));
        let addresses = addresses.collect::<Result<_>>()?;
        Ok(catalogue::orders(
            addresses,
            &self.products,
            connections,
            until,
        ))
    }

    /// Places orders as fast as they are accepted, and waits until all are paid and their stock is
    /// taken.
    pub(crate) fn play(&mut self, orders: u64) -> Result<Run> {
        let load = self.orders(CONNECTIONS, Until::Count(orders))?;
        let started = Instant::now();
        let (posted, used) = self.group().measure(|| {
            let posted = load.run()?;
            self.rest()?;
            Ok(posted)
        })?;
        Ok(Run {
            orders,
            seconds: started.elapsed().as_secs_f64(),
            posted,
            used,
        })
    }

    /// Does `work`, which has to sell exactly this number of pieces.
    pub(crate) fn selling<T>(
        &mut self,
        pieces: u64,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.sold()?;
        let done = work(self)?;
        let sold = self.sold()? - before;
        ensure!(
            sold == pieces,
            "{sold} pieces were taken for {pieces} orders of one"
        );
        Ok(done)
    }

    /// The resources that each server of inventory's and of payments' store has used so far.
    pub(crate) fn usage(&mut self) -> Result<[Vec<Usage>; 2]> {
        Ok([self.inventory.usage()?, self.payments.usage()?])
    }

    /// The resources that each server used since `before`.
    pub(crate) fn usage_since(&mut self, before: &[Vec<Usage>; 2]) -> Result<[Vec<Usage>; 2]> {
        let mut now = self.usage()?;
        for (now, before) in now.iter_mut().flatten().zip(before.iter().flatten()) {
            *now = now.since(before);
        }
        Ok(now)
    }

    /// Begins to listen to the stores of inventory and of payments.
    pub(crate) fn listen(&self) -> Result<[Vec<Monitor>; 2]> {
        Ok([self.inventory.listen()?, self.payments.listen()?])
    }

    /// Waits until no order is due, and both groups have acknowledged everything.
    pub(crate) fn rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + REST_LIMIT;
        while !self.rests()? {
            ensure!(
                Instant::now() < deadline,
                "the system does not come to rest"
            );
            sleep(LOOK);
        }
        Ok(())
    }

    /// Whether the system is at rest. It looks at the steps in the order in which an order passes
    /// them: a step at rest makes no more work for the next one.
    fn rests(&mut self) -> Result<bool> {
        Ok(self.payments.due()? == 0
            && self.payments.is_settled::<OrderCompleted>()?
            && self.inventory.is_settled::<RefundOrder>()?)
    }

    /// The number of sold pieces. A dead letter is an error.
    fn sold(&mut self) -> Result<u64> {
        for store in [&mut self.inventory, &mut self.payments] {
            let letters = store.dead_letters()?;
            ensure!(letters == 0, "there are {letters} dead letters");
        }
        catalogue::sold(self.inventory_address()?, &self.products)
    }

    /// Starts a process again and waits until it is ready.
    pub(crate) fn restart(&self, name: &str) -> Result<()> {
        self.system.process(name).restart()?;
        self.runtime.block_on(self.system.wait_process_ready(name))
    }

    /// Ends all services; the stores stay.
    pub(crate) fn close_services(&self) {
        for name in self.names(&Role::ALL) {
            self.system.process(&name).kill();
        }
    }

    fn names(&self, roles: &[Role]) -> Vec<String> {
        let numbers = 2..=self.replicas;
        let of = |role: &Role| {
            let role = *role;
            let more = numbers.clone().map(move |number| role.replica(number));
            std::iter::once(role.name().to_owned()).chain(more)
        };
        roles.iter().flat_map(of).collect()
    }
}

/// The servers of a store, and the server of each partition.
async fn shards_of(system: &System, owner: Owner, partitions: Partitions) -> Result<Shards> {
    let store = system.store(owner);
    let mut homes = Vec::new();
    for partition in partitions.all() {
        let home = store.primary_of(&partition.key("identity")).await?;
        homes.push((partition, home));
    }
    Shards::connect(owner, &store.servers(), homes)
}

/// The address behind a URL.
fn address(url: &str) -> Result<SocketAddr> {
    Ok(url.strip_prefix("http://").context("not http")?.parse()?)
}
