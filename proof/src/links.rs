//! The proxies in front of what one process talks to.

use std::sync::Arc;

use anyhow::Result;

use crate::credentials::User;
use crate::ports::Ports;
use crate::proxy::{Protocol, Proxy};
use crate::redis::Owner;
use crate::role::{Role, Stores};

/// Every process has links of its own, so that one can be cut off while the others go on.
#[derive(Clone)]
pub(super) struct Links {
    inventory: Arc<Proxy>,
    payments: Arc<Proxy>,
    inventory_http: Option<Arc<Proxy>>,
}

impl Links {
    /// Puts a proxy on every link of a process. Each draws from a seed of its own, which follows
    /// from `seed` and the place of the process among all (`index`).
    pub(super) fn start(
        role: Role,
        ports: &Ports,
        stores: Stores<'_>,
        seed: u64,
        index: usize,
    ) -> Result<Self> {
        let mut seeds = fastrand::Rng::with_seed(seed.wrapping_add(index as u64));
        let mut start = |protocol, upstream| {
            anyhow::Ok(Arc::new(Proxy::start(protocol, upstream, seeds.u64(..))?))
        };
        let (inventory, payments) = (
            start(Protocol::Redis, stores.inventory.port())?,
            start(Protocol::Redis, stores.payments.port())?,
        );
        let inventory_http = match role.service() {
            Owner::Inventory => None,
            Owner::Payments => Some(start(Protocol::Http, ports.inventory_http)?),
        };
        Ok(Self {
            inventory,
            payments,
            inventory_http,
        })
    }

    /// What the process is told instead of the addresses themselves.
    pub(super) fn env(&self, role: Role, stores: Stores<'_>) -> Vec<(&'static str, String)> {
        let user = match role.service() {
            Owner::Inventory => User::Inventory,
            Owner::Payments => User::Payments,
        };
        let mut env = vec![
            (
                "INVENTORY_REDIS_URL",
                stores.inventory.url_through(user, self.inventory.port()),
            ),
            (
                "PAYMENTS_REDIS_URL",
                stores.payments.url_through(user, self.payments.port()),
            ),
        ];
        if let Some(proxy) = &self.inventory_http {
            env.push((
                "INVENTORY_URL",
                format!("http://127.0.0.1:{}", proxy.port()),
            ));
        }
        env
    }

    /// The link to a store.
    pub(super) fn to(&self, store: Owner) -> Arc<Proxy> {
        match store {
            Owner::Inventory => self.inventory.clone(),
            Owner::Payments => self.payments.clone(),
        }
    }

    /// The link to inventory's HTTP API, which only payments has.
    pub(super) fn to_inventory_http(&self) -> Option<Arc<Proxy>> {
        self.inventory_http.clone()
    }

    /// All of them, with what they lead to.
    pub(super) fn all(&self) -> Vec<(&'static str, Arc<Proxy>)> {
        let stores = [
            ("inventory store", &self.inventory),
            ("payments store", &self.payments),
        ];
        let http = self
            .inventory_http
            .iter()
            .map(|proxy| ("inventory http", proxy));
        stores
            .into_iter()
            .chain(http)
            .map(|(name, proxy)| (name, proxy.clone()))
            .collect()
    }
}
