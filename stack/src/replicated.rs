//! The whole system on two stores with replicas and Sentinels: the four processes, with data that is
//! thrown away.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    binaries::{self, Binaries},
    credentials::User,
    guard::{Farewell, Guard},
    health::{self, Member},
    ports::{self, Port},
    process::{Launch, Process},
    redis::Store,
    role::{Role, SETTINGS},
    sentinel::{Options, Replicated},
    server,
};

const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running system. Dropping it kills everything and removes its data.
pub struct ReplicatedSystem {
    // Dropped in this order: the services, the stores, their data, the ports.
    members: Vec<Member>,
    inventory: Replicated,
    payments: Replicated,
    _data: TempDir,
    _ports: Vec<Port>,
}

impl ReplicatedSystem {
    /// Starts two stores with so many replicas each and the four processes with these settings, and
    /// waits until all are ready.
    pub async fn start(replicas: usize, env: &[(&str, &str)]) -> Result<Self> {
        let found = tokio::task::spawn_blocking(|| (server::shared(), binaries::shared())).await?;
        let (server, binaries) = (found.0?, found.1?);
        let guard = Guard { stack: binaries.stack.clone(), farewell: Farewell::Kill };
        let data = tempfile::Builder::new().prefix("pas-de-deux-").tempdir()?;
        let store = |store: Store| {
            let dir = data.path().join(store.name());
            let (server, guard) = (server.clone(), guard.clone());
            Box::pin(Replicated::start(Options { store, dir, server, guard, replicas }))
        };
        let (inventory, payments) =
            tokio::try_join!(store(Store::Inventory), store(Store::Payments))?;
        let ports = Role::ALL.map(|_| ports::free()).into_iter().collect::<Result<Vec<_>>>()?;
        let mut members = Vec::new();
        for (role, port) in Role::ALL.into_iter().zip(&ports) {
            let stores = [&inventory, &payments];
            let mut launch = launch(role, &binaries, port.number(), &ports, stores);
            launch.env.extend(env.iter().map(|(name, value)| own(name, value)));
            let process = Arc::new(Process::start(launch, guard.clone(), None)?);
            members.push(Member { process, url: format!("http://127.0.0.1:{}", port.number()) });
        }
        let system = Self { members, inventory, payments, _data: data, _ports: ports };
        system.wait_ready().await?;
        Ok(system)
    }

    /// One of the stores.
    pub fn store(&self, store: Store) -> &Replicated {
        match store {
            Store::Inventory => &self.inventory,
            Store::Payments => &self.payments,
        }
    }

    /// Where a process answers, and the process.
    pub fn member(&self, role: Role) -> Result<&Member> {
        let named = |member: &&Member| member.process.name() == role.name();
        self.members.iter().find(named).with_context(|| role.name())
    }

    /// Waits until every process is ready.
    pub async fn wait_ready(&self) -> Result<()> {
        health::wait_ready(&self.members, READY_LIMIT).await
    }
}

fn launch(
    role: Role,
    binaries: &Binaries,
    port: u16,
    ports: &[Port],
    [inventory, payments]: [&Replicated; 2],
) -> Launch {
    let (program, user) = match role.service() {
        Store::Inventory => (&binaries.inventory, User::Inventory),
        Store::Payments => (&binaries.payments, User::Payments),
    };
    // `serve` listens on the one, `consume` on the other; none of them on both.
    let address = format!("127.0.0.1:{port}");
    let inventory_http = Role::ALL.iter().position(|role| *role == Role::InventoryServe);
    let inventory_http = inventory_http.map_or(0, |index| ports[index].number());
    let env = [
        ("INVENTORY_REDIS_URL", inventory.url(user)),
        ("PAYMENTS_REDIS_URL", payments.url(user)),
        ("HTTP_ADDR", address.clone()),
        ("CONSUMER_HTTP_ADDR", address),
        ("INVENTORY_URL", format!("http://127.0.0.1:{inventory_http}")),
        ("NO_COLOR", "1".to_owned()),
    ];
    let file = |name: &&str| [(*name).to_owned(), format!("{name}_FILE")];
    Launch {
        name: role.name().to_owned(),
        program: program.clone(),
        args: role.name().split(' ').skip(1).map(Into::into).collect(),
        env: env.iter().map(|(name, value)| own(name, value)).collect(),
        env_remove: SETTINGS.iter().flat_map(file).collect(),
    }
}

fn own(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}
