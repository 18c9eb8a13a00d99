//! Describes and starts a system.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};

use super::route::Route;
use super::{Members, System};
use crate::binaries::Binaries;
use crate::guard::Farewell;
use crate::ports::{Port, Ports};
use crate::redis::{Environment, Overrides, Owner, RedisOptions};
use crate::role::Role;
use crate::topology::{StoreServers, Topology};
use crate::{binaries, ports, server};

/// The description of a [`System`] to start.
#[derive(Clone, Default)]
pub struct Builder {
    env: Vec<(String, String)>,
    topology: Topology,
    without: Vec<String>,
    binaries: Option<Binaries>,
    route: Option<Route>,
    stores: Overrides,
    logs: Option<PathBuf>,
    limited: bool,
}

impl Builder {
    /// Sets a variable for all four processes.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets several variables.
    #[must_use]
    pub fn envs(self, variables: &[(&str, &str)]) -> Self {
        variables
            .iter()
            .fold(self, |builder, (name, value)| builder.env(name, value))
    }

    /// Gives both stores this topology instead of a single server.
    #[must_use]
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// Runs with this number of partitions.
    #[must_use]
    pub fn partitions(self, count: u16) -> Self {
        self.env("PARTITIONS", &count.to_string())
    }

    /// Does not start a process; `system.process(name).restart()` starts it later.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.without.push(name.to_owned());
        self
    }

    /// Runs these binaries instead of building the project's own.
    #[must_use]
    pub fn binaries(mut self, binaries: Binaries) -> Self {
        self.binaries = Some(binaries);
        self
    }

    /// Asks `route` for the port of every connection of every process, replicas included. Each
    /// store has to be a single server.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.route = Some(route);
        self
    }

    /// Starts all servers of the stores with this setting instead of the shipped one, such as
    /// `appendfsync`.
    #[must_use]
    pub fn redis(mut self, setting: &str, value: &str) -> Self {
        let setting = (setting.to_owned(), value.to_owned());
        self.stores.settings.push(setting);
        self
    }

    /// Starts all servers of the stores with these variables in their environment.
    #[must_use]
    pub fn store_environment(mut self, environment: Environment) -> Self {
        self.stores.environment = Some(environment);
        self
    }

    /// Writes the output of each service process into a file with its name in this folder.
    #[must_use]
    pub fn logs(mut self, folder: &Path) -> Self {
        self.logs = Some(folder.to_path_buf());
        self
    }

    /// Limits each service process to the memory of its container: see [`memory`](crate::memory).
    #[must_use]
    pub fn limited(mut self) -> Self {
        self.limited = true;
        self
    }

    /// Starts everything and waits until it is ready.
    pub async fn start(self) -> Result<System> {
        for name in &self.without {
            Role::by_name(name)?;
        }
        ensure!(
            self.route.is_none() || self.topology == Topology::Single,
            "connections can be routed to single servers only"
        );
        // Both may take minutes the first time, so they must not block a thread of the runtime.
        let given = self.binaries.clone();
        let (server, binaries) = tokio::task::spawn_blocking(move || {
            anyhow::Ok((server::shared()?, given.map_or_else(binaries::shared, Ok)?))
        })
        .await??;
        let overrides = Overrides {
            acl: binaries.acl.clone(),
            ..self.stores
        };
        let guard = binaries.guard(Farewell::Kill);
        let data = tempfile::Builder::new().prefix("pas-de-deux-").tempdir()?;
        let topology = self.topology;
        let store = |store: Owner| {
            let dir = data.path().join(store.name());
            let options = RedisOptions {
                overrides: overrides.clone(),
                ..RedisOptions::new(store, dir, server.clone(), guard.clone())
            };
            Box::pin(topology.launch(options, None))
        };
        let (inventory, payments) =
            tokio::try_join!(store(Owner::Inventory), store(Owner::Payments))?;
        if self.env.iter().any(|(name, _)| name == "PARTITIONS") {
            for store in [&inventory, &payments] {
                store.allow_partitions().await?;
            }
        }
        let mut reservations = Vec::new();
        let ports = free_ports(&inventory, &payments, &mut reservations)?;
        let system = System {
            members: Members::default(),
            inventory,
            payments,
            binaries,
            guard,
            env: self.env,
            route: self.route,
            logs: self.logs,
            limited: self.limited,
            ports,
            reservations: Mutex::new(reservations),
            _data: data,
        };
        for role in Role::ALL {
            let process = system.add(role, role.name().to_owned(), &system.ports, Vec::new())?;
            if !self.without.iter().any(|name| name == role.name()) {
                process.restart()?;
            }
        }
        system.wait_ready().await?;
        Ok(system)
    }
}

fn free_ports(
    inventory: &StoreServers,
    payments: &StoreServers,
    reservations: &mut Vec<Port>,
) -> Result<Ports> {
    let mut free = || -> Result<u16> {
        let port = ports::free().context("for a service")?;
        let number = port.number();
        reservations.push(port);
        Ok(number)
    };
    let first = |store: &StoreServers| store.servers().first().map_or(0, |server| server.port());
    Ok(Ports {
        inventory_http: free()?,
        inventory_consumer: free()?,
        inventory_redis: first(inventory),
        payments_http: free()?,
        payments_consumer: free()?,
        payments_redis: first(payments),
    })
}
