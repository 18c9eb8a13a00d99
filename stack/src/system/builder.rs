//! How a system is described and started.

use std::sync::Mutex;

use anyhow::{Context, Result};

use super::System;
use crate::{
    binaries::{self, Binaries},
    guard::{Farewell, Guard},
    ports::{self, Port, Ports},
    redis::{RedisOptions, RedisServer, Store},
    role::Role,
    server,
};

/// Says how a [`System`] is to be started.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    env: Vec<(String, String)>,
    without: Vec<String>,
    binaries: Option<Binaries>,
}

impl Builder {
    /// Sets a variable for all four processes.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs with this many partitions.
    #[must_use]
    pub fn partitions(self, count: u16) -> Self {
        self.env("PARTITIONS", &count.to_string())
    }

    /// Leaves a process out for now; `system.process(name)?.restart()` starts it later.
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

    /// Starts everything and waits until it is ready.
    pub async fn start(self) -> Result<System> {
        for name in &self.without {
            Role::by_name(name)?;
        }
        // Both may take minutes the first time, so they must not hold up a thread of the runtime.
        let given = self.binaries.clone();
        let (server, binaries) = tokio::task::spawn_blocking(|| {
            anyhow::Ok((server::shared()?, given.map_or_else(binaries::shared, Ok)?))
        })
        .await??;
        let guard = Guard { stack: binaries.stack.clone(), farewell: Farewell::Kill };
        let data = tempfile::Builder::new().prefix("pas-de-deux-").tempdir()?;
        let redis = |store: Store| {
            let dir = data.path().join(store.name());
            RedisServer::start(RedisOptions {
                store,
                dir,
                server: server.clone(),
                guard: guard.clone(),
                sink: None,
            })
        };
        let (inventory_redis, payments_redis) =
            tokio::try_join!(redis(Store::Inventory), redis(Store::Payments))?;
        let mut reservations = Vec::new();
        let ports = free_ports(&inventory_redis, &payments_redis, &mut reservations)?;
        let system = System {
            members: Mutex::default(),
            inventory_redis,
            payments_redis,
            binaries,
            guard,
            env: self.env,
            ports,
            reservations: Mutex::new(reservations),
            _data: data,
        };
        for role in Role::ALL {
            let process = system.add(role, role.name().to_owned(), &system.ports, &[]);
            if !self.without.iter().any(|name| name == role.name()) {
                process.restart()?;
            }
        }
        system.wait_ready().await?;
        Ok(system)
    }
}

fn free_ports(
    inventory: &RedisServer,
    payments: &RedisServer,
    reservations: &mut Vec<Port>,
) -> Result<Ports> {
    let mut free = || -> Result<u16> {
        let port = ports::free().context("for a service")?;
        let number = port.number();
        reservations.push(port);
        Ok(number)
    };
    Ok(Ports {
        inventory_http: free()?,
        inventory_consumer: free()?,
        inventory_redis: inventory.port(),
        payments_http: free()?,
        payments_consumer: free()?,
        payments_redis: payments.port(),
    })
}
