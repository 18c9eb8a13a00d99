//! What a service process connects to: the stores and inventory's API, or a proxy in front of them.

use std::sync::Arc;

use anyhow::Result;

use crate::ports::Ports;
use crate::redis::{Owner, RedisServer};
use crate::role::Role;

/// A server that service processes connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The store of a service.
    Store(Owner),
    /// The HTTP API of inventory.
    InventoryHttp,
}

/// A connection of a process, before its address is configured.
#[derive(Clone, Copy, Debug)]
pub struct Hop<'a> {
    /// The name of the process, such as `payments serve` or `payments serve 2`.
    pub process: &'a str,
    /// The endpoint that it connects to.
    pub to: Endpoint,
    /// The port on which the endpoint listens.
    pub port: u16,
}

/// Answers the port to which a process has to connect for a hop: that of the endpoint, or that of a
/// proxy in front of it.
pub type Route = Arc<dyn Fn(Hop<'_>) -> Result<u16> + Send + Sync>;

/// The settings with the addresses that `route` chooses for a process.
pub(super) fn variables(
    route: &Route,
    process: &str,
    role: Role,
    ports: &Ports,
    [inventory, payments]: [&RedisServer; 2],
) -> Result<Vec<(&'static str, String)>> {
    let through = |to, port| route(Hop { process, to, port });
    let store = |owner, server: &RedisServer| -> Result<String> {
        let port = through(Endpoint::Store(owner), server.port())?;
        Ok(server.url_through(role.user(), port))
    };
    let mut variables = vec![
        ("INVENTORY_REDIS_URL", store(Owner::Inventory, inventory)?),
        ("PAYMENTS_REDIS_URL", store(Owner::Payments, payments)?),
    ];
    // Only payments calls the other service.
    if role.service() == Owner::Payments {
        let port = through(Endpoint::InventoryHttp, ports.inventory_http)?;
        variables.push(("INVENTORY_URL", format!("http://127.0.0.1:{port}")));
    }
    Ok(variables)
}
