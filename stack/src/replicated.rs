//! The whole system on two stores with replicas and Sentinels: the four processes, with data that is
//! thrown away.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::guard::{Farewell, Guard};
use crate::health::Member;
use crate::ports::Port;
use crate::process::Process;
use crate::redis::Owner;
use crate::role::Role;
use crate::sentinel::{Options, Replicated};
use crate::{binaries, health, ports, server};

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
        let binaries = tokio::task::spawn_blocking(binaries::shared).await??;
        Self::start_of(&binaries, replicas, env).await
    }

    /// The same with these programs instead of the project's own.
    pub async fn start_of(
        binaries: &Binaries,
        replicas: usize,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let server = tokio::task::spawn_blocking(server::shared).await??;
        let guard = Guard {
            stack: binaries.stack.clone(),
            farewell: Farewell::Kill,
        };
        let data = tempfile::Builder::new().prefix("pas-de-deux-").tempdir()?;
        let store = |store: Owner| {
            let dir = data.path().join(store.name());
            let (server, guard) = (server.clone(), guard.clone());
            Box::pin(Replicated::start(Options {
                store,
                dir,
                server,
                guard,
                replicas,
            }))
        };
        let (inventory, payments) =
            tokio::try_join!(store(Owner::Inventory), store(Owner::Payments))?;
        let ports = Role::ALL
            .map(|_| ports::free())
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        let mut members = Vec::new();
        for (role, port) in Role::ALL.into_iter().zip(&ports) {
            let stores = [inventory.url(role.user()), payments.url(role.user())];
            let mut launch = role.launch_at(binaries, stores, port.number(), ports[0].number());
            launch.env.extend(
                env.iter()
                    .map(|(name, value)| ((*name).into(), (*value).into())),
            );
            let process = Arc::new(Process::start(launch, guard.clone(), None)?);
            members.push(Member {
                process,
                url: format!("http://127.0.0.1:{}", port.number()),
            });
        }
        let system = Self {
            members,
            inventory,
            payments,
            _data: data,
            _ports: ports,
        };
        system.wait_ready().await?;
        Ok(system)
    }

    /// One of the stores.
    pub fn store(&self, store: Owner) -> &Replicated {
        match store {
            Owner::Inventory => &self.inventory,
            Owner::Payments => &self.payments,
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
