//! The whole system on two clusters: processes of each role as they are wanted, with data that is
//! thrown away.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::cluster::{Cluster, Options};
use crate::guard::{Farewell, Guard};
use crate::health::Member;
use crate::ports::Port;
use crate::process::Process;
use crate::redis::Owner;
use crate::role::Role;
use crate::{binaries, health, ports, server};

const READY_LIMIT: Duration = Duration::from_mins(1);
/// Fewer cannot agree that one of them has failed.
const PRIMARIES: usize = 3;

/// A running system. Dropping it kills everything and removes its data.
pub struct ClusteredSystem {
    // Dropped in this order: the services, the stores, their data.
    members: Mutex<Vec<Started>>,
    inventory: Cluster,
    payments: Cluster,
    binaries: Binaries,
    guard: Guard,
    env: Vec<(String, String)>,
    inventory_http: Port,
    _data: TempDir,
}

struct Started {
    name: String,
    member: Member,
    _port: Option<Port>,
}

impl ClusteredSystem {
    /// Starts two stores of six nodes each and one process of each role with these settings, and
    /// waits until all are ready.
    pub async fn start(env: &[(&str, &str)]) -> Result<Self> {
        let binaries = tokio::task::spawn_blocking(binaries::shared).await??;
        Self::start_of(binaries, env).await
    }

    /// The same with these programs instead of the project's own.
    pub async fn start_of(binaries: Binaries, env: &[(&str, &str)]) -> Result<Self> {
        let server = tokio::task::spawn_blocking(server::shared).await??;
        let guard = Guard {
            stack: binaries.stack.clone(),
            farewell: Farewell::Kill,
        };
        let data = tempfile::Builder::new().prefix("pas-de-deux-").tempdir()?;
        let store = |store: Owner| {
            let options = Options {
                store,
                dir: data.path().join(store.name()),
                server: server.clone(),
                guard: guard.clone(),
                primaries: PRIMARIES,
                replicas: 1,
                first_port: None,
                sink: None,
            };
            Box::pin(Cluster::start(options))
        };
        let (inventory, payments) =
            tokio::try_join!(store(Owner::Inventory), store(Owner::Payments))?;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let system = Self {
            members: Mutex::default(),
            inventory,
            payments,
            binaries,
            guard,
            env: env.iter().map(own).collect(),
            inventory_http: ports::free()?,
            _data: data,
        };
        for role in Role::ALL {
            system.launch(role, 1)?;
        }
        system.wait_ready().await?;
        Ok(system)
    }

    /// One of the stores.
    pub fn store(&self, store: Owner) -> &Cluster {
        match store {
            Owner::Inventory => &self.inventory,
            Owner::Payments => &self.payments,
        }
    }

    /// Starts one more process of each of these roles, and waits until it is ready. It is called
    /// `<role> <number>`.
    pub async fn start_replicas(&self, roles: &[Role], number: usize) -> Result<()> {
        for role in roles {
            self.launch(*role, number)?;
        }
        self.wait_ready().await
    }

    /// Where a process answers, and the process: `inventory consume`, or `inventory consume 2`.
    pub fn member(&self, name: &str) -> Result<Member> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let found = members.iter().find(|started| started.name == name);
        found
            .map(|started| started.member.clone())
            .with_context(|| name.to_owned())
    }

    /// Waits until every process that runs is ready.
    pub async fn wait_ready(&self) -> Result<()> {
        let members: Vec<_> = {
            let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
            let running = members.iter().map(|started| started.member.clone());
            running
                .filter(|member| member.process.exit().is_none())
                .collect()
        };
        health::wait_ready(&members, READY_LIMIT).await
    }

    fn launch(&self, role: Role, number: usize) -> Result<()> {
        let own_port = ports::free()?;
        let is_first = role == Role::InventoryServe && number == 1;
        let port = if is_first {
            self.inventory_http.number()
        } else {
            own_port.number()
        };
        let stores = [
            self.inventory.url(role.user()),
            self.payments.url(role.user()),
        ];
        let inventory_http = self.inventory_http.number();
        let mut launch = role.launch_at(&self.binaries, stores, port, inventory_http);
        if number > 1 {
            launch.name = format!("{} {number}", role.name());
        }
        let consumer = format!("{}-{number}", role.service().name());
        launch.env.push(("CONSUMER_NAME".to_owned(), consumer));
        launch.env.extend_from_slice(&self.env);
        let name = launch.name.clone();
        let process = Arc::new(Process::start(launch, self.guard.clone(), None)?);
        let member = Member {
            process,
            url: format!("http://127.0.0.1:{port}"),
        };
        let started = Started {
            name,
            member,
            _port: Some(own_port),
        };
        self.members
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(started);
        Ok(())
    }
}

impl Drop for ClusteredSystem {
    fn drop(&mut self) {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for started in members.iter() {
            let process = &started.member.process;
            if std::thread::panicking() {
                eprintln!("--- {} (exit: {:?})", started.name, process.exit());
                for line in process.last_lines(health::QUOTED_LINES) {
                    eprintln!("    {line}");
                }
            }
            process.kill();
        }
    }
}
