//! A running system that is measured.

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::contract::id::ProductId;
use stack::binaries::Binaries;
use stack::role::Role;
use stack::system::System;
use tokio::runtime::Runtime;

use crate::goods;
use crate::load::{Load, Until};
use crate::machine::Group;
use crate::operator::Operator;
use crate::options::Options;

/// How long the system may take to come to rest.
const REST_LIMIT: Duration = Duration::from_mins(5);
/// How often is looked whether it has.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// A system with clients for its stores.
pub(crate) struct Shop {
    // Dropped before the runtime, which its start needed.
    pub(crate) system: System,
    pub(crate) inventory: Operator,
    pub(crate) payments: Operator,
    runtime: Runtime,
    binaries: Binaries,
}

impl Shop {
    /// Starts a system with these settings.
    pub(crate) fn open(
        options: &Options,
        binaries: &Binaries,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let mut builder = System::builder().binaries(binaries.clone());
        // Lines about each order would measure who reads them: this program.
        for (name, value) in [("RUST_LOG", "warn")].iter().chain(settings) {
            if !options.env.iter().any(|(given, _)| given == name) {
                builder = builder.env(name, value);
            }
        }
        for (name, value) in &options.env {
            builder = builder.env(name, value);
        }
        let system = runtime.block_on(builder.start())?;
        let mut shop = Self {
            inventory: Operator::connect(system.inventory_redis())?,
            payments: Operator::connect(system.payments_redis())?,
            system,
            runtime,
            binaries: binaries.clone(),
        };
        shop.fsync(options.fsync.word())?;
        for store in [&mut shop.inventory, &mut shop.payments] {
            // A rewrite of the file would fall into one measurement and not into the other.
            store.configure("auto-aof-rewrite-percentage", "0")?;
        }
        Ok(shop)
    }

    /// Tells both stores how often to write to disk.
    pub(crate) fn fsync(&mut self, word: &str) -> Result<()> {
        self.inventory.configure("appendfsync", word)?;
        self.payments.configure("appendfsync", word)
    }

    /// The four services and the two stores.
    pub(crate) fn group(&self) -> Group {
        let services = Role::ALL.map(Role::name);
        let pid = |name: &str| self.system.process(name).pid();
        let services = services.map(|name| (name.to_owned(), pid(name)));
        let inventory = (
            "inventory redis".to_owned(),
            self.system.inventory_redis().pid(),
        );
        let payments = (
            "payments redis".to_owned(),
            self.system.payments_redis().pid(),
        );
        Group::new(services.into_iter().chain([inventory, payments]))
    }

    /// The program that starts children which cannot outlive this one.
    pub(crate) fn stack(&self) -> &Path {
        &self.binaries.stack
    }

    /// Where payments answers.
    pub(crate) fn payments_address(&self) -> Result<SocketAddr> {
        address(&self.system.payments_url())
    }

    /// Where inventory answers.
    pub(crate) fn inventory_address(&self) -> Result<SocketAddr> {
        address(&self.system.inventory_url())
    }

    /// Puts products up for sale.
    pub(crate) fn products(&self, count: u64) -> Result<Vec<ProductId>> {
        goods::create(self.inventory_address()?, count)
    }

    /// Orders of one piece of these products in turn.
    pub(crate) fn orders(
        &self,
        products: &[ProductId],
        connections: usize,
        until: Until,
    ) -> Result<Load> {
        Ok(goods::orders(
            vec![self.payments_address()?],
            products,
            connections,
            until,
        ))
    }

    /// Waits until nothing is due, and both groups have and have acknowledged everything.
    pub(crate) fn rest(&mut self) -> Result<()> {
        wait_for_rest(|| self.rests())
    }

    /// How many orders are still to be paid.
    pub(crate) fn due(&mut self) -> Result<u64> {
        self.payments.ask(&["ZCARD", "due"])
    }

    /// Looks in the order in which an order travels: what one step finds done cannot make work for
    /// the next any more.
    fn rests(&mut self) -> Result<bool> {
        if self.due()? > 0 {
            return Ok(false);
        }
        let completed = self.payments.standing::<OrderCompleted>()?;
        if !completed.is_some_and(|standing| standing.is_settled()) {
            return Ok(false);
        }
        Ok(self
            .inventory
            .standing::<RefundOrder>()?
            .is_some_and(|standing| standing.is_settled()))
    }

    /// How many pieces of these products are gone. Anything that was set aside is an error.
    pub(crate) fn sold(&mut self, products: &[ProductId]) -> Result<u64> {
        for store in [&mut self.inventory, &mut self.payments] {
            let letters: u64 = store.ask(&["XLEN", "dead_letters"])?;
            ensure!(letters == 0, "{letters} events were set aside");
        }
        goods::sold(self.inventory_address()?, products)
    }

    /// Starts a process again and waits until it is ready.
    pub(crate) fn restart(&self, name: &str) -> Result<()> {
        self.system.process(name).restart()?;
        self.runtime.block_on(self.system.wait_process_ready(name))
    }

    /// Ends all services; the stores stay.
    pub(crate) fn close_services(&self) {
        for role in Role::ALL {
            self.system.process(role.name()).kill();
        }
    }
}

/// Looks again and again whether a system is at rest.
pub(crate) fn wait_for_rest(mut rests: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + REST_LIMIT;
    while !rests()? {
        ensure!(
            Instant::now() < deadline,
            "the system does not come to rest"
        );
        sleep(LOOK);
    }
    Ok(())
}

/// The address behind a URL.
pub(crate) fn address(url: &str) -> Result<SocketAddr> {
    Ok(url.strip_prefix("http://").context("not http")?.parse()?)
}
