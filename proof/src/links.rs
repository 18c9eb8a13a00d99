//! Puts a proxy on every connection from a process of a system to a store or to a service.

use std::sync::{Arc, Mutex};

use anyhow::Result;
use fastrand::Rng;
use stack::redis::Owner;
use stack::system::{Builder, Endpoint, Hop};

use crate::proxy::{Protocol, Proxy};

/// The proxies of one system. Every process has proxies of its own, so that a test can cut off one
/// process while the others go on.
#[derive(Clone)]
pub struct Links(Arc<Mutex<State>>);

struct State {
    links: Vec<Link>,
    /// Draws the seed of each proxy.
    seeds: Rng,
}

struct Link {
    process: String,
    to: Endpoint,
    proxy: Arc<Proxy>,
}

impl Links {
    /// Puts proxies on all links of the system that `builder` describes: from each process
    /// (replicas included) to each store, and from payments to inventory's HTTP API. The random
    /// choices of the proxies follow from `seed`.
    pub fn put_into(builder: Builder, seed: u64) -> (Builder, Self) {
        let state = State {
            links: Vec::new(),
            seeds: Rng::with_seed(seed),
        };
        let links = Self(Arc::new(Mutex::new(state)));
        let route = links.clone();
        let builder = builder.route(Arc::new(move |hop| route.with(|state| state.open(hop))));
        (builder, links)
    }

    /// The link of a process to a store.
    ///
    /// # Panics
    ///
    /// When the system has no process of that name.
    pub fn to_store(&self, process: &str, store: Owner) -> Arc<Proxy> {
        self.find(process, Endpoint::Store(store))
    }

    /// The link of a process of payments to inventory's HTTP API.
    ///
    /// # Panics
    ///
    /// When the system has no process of that name, or it is one of inventory.
    pub fn to_inventory_http(&self, process: &str) -> Arc<Proxy> {
        self.find(process, Endpoint::InventoryHttp)
    }

    /// All links, by names such as `payments serve -> inventory store`.
    pub fn all(&self) -> Vec<(String, Arc<Proxy>)> {
        self.with(|state| state.links.iter().map(Link::named).collect())
    }

    fn find(&self, process: &str, to: Endpoint) -> Arc<Proxy> {
        let found = self.with(|state| {
            let mut links = state.links.iter();
            let link = links.find(|link| link.process == process && link.to == to);
            link.map(|link| link.proxy.clone())
        });
        found.unwrap_or_else(|| panic!("`{process}` has no link to {to:?}"))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut stack::locked(&self.0))
    }
}

impl State {
    /// Starts a proxy for a hop, and answers the port on which it listens.
    fn open(&mut self, hop: Hop<'_>) -> Result<u16> {
        let protocol = match hop.to {
            Endpoint::Store(_) => Protocol::Redis,
            Endpoint::InventoryHttp => Protocol::Http,
        };
        let proxy = Proxy::start(protocol, hop.port, self.seeds.u64(..))?;
        let port = proxy.port();
        self.links.push(Link {
            process: hop.process.to_owned(),
            to: hop.to,
            proxy: Arc::new(proxy),
        });
        Ok(port)
    }
}

impl Link {
    fn named(&self) -> (String, Arc<Proxy>) {
        let to = match self.to {
            Endpoint::Store(Owner::Inventory) => "inventory store",
            Endpoint::Store(Owner::Payments) => "payments store",
            Endpoint::InventoryHttp => "inventory http",
        };
        (format!("{} -> {to}", self.process), self.proxy.clone())
    }
}
