//! The four service processes, and the environment of each.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::binaries::Binaries;
use crate::credentials::User;
use crate::ports::Ports;
use crate::process::Launch;
use crate::redis::Owner;

/// Every setting of the services. A test removes all of them from the environment of its processes,
/// so that the environment of the test does not matter.
pub const SETTINGS: [&str; 32] = [
    "INVENTORY_REDIS_URL",
    "PAYMENTS_REDIS_URL",
    "HTTP_ADDR",
    "CONSUMER_HTTP_ADDR",
    "MAX_CONNECTIONS",
    "MAX_CONNECTIONS_PER_ADDRESS",
    "MAX_REQUESTS",
    "HEADER_TIMEOUT",
    "KEEP_ALIVE_TIMEOUT",
    "DRAIN_DELAY",
    "ALLOWED_HOSTS",
    "CORS_ORIGINS",
    "PUBLIC_URL",
    "RATE_LIMIT",
    "REQUIRE_IDEMPOTENCY_KEY",
    "INVENTORY_URL",
    "COMPLETION_DELAY",
    "FEE_RATE",
    "PRODUCT_CACHE_TTL",
    "EARLY_STOCK_CHECK",
    "REPLICA_ACKS",
    "REPLICA_ACK_TIMEOUT",
    "PARTITIONS",
    "STREAM_RETENTION",
    "FOREIGN_GROUP_LIMIT",
    "CONSUMER_NAME",
    "RECLAIM_IDLE",
    "DEDUPE_RETENTION",
    "LOG_FORMAT",
    "RUST_LOG",
    "TOKIO_WORKER_THREADS",
    "NO_COLOR",
];

/// The kind of a service process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The HTTP API of inventory.
    InventoryServe,
    /// The consumer of inventory.
    InventoryConsume,
    /// The HTTP API of payments.
    PaymentsServe,
    /// The consumer of payments.
    PaymentsConsume,
}

impl Role {
    /// All roles, in the order they are started.
    pub const ALL: [Self; 4] = [
        Self::InventoryServe,
        Self::InventoryConsume,
        Self::PaymentsServe,
        Self::PaymentsConsume,
    ];

    /// The name for people: binary and verb.
    pub fn name(self) -> &'static str {
        match self {
            Self::InventoryServe => "inventory serve",
            Self::InventoryConsume => "inventory consume",
            Self::PaymentsServe => "payments serve",
            Self::PaymentsConsume => "payments consume",
        }
    }

    /// The name of a further process of this role, such as `inventory serve 2`.
    pub fn replica(self, number: usize) -> String {
        format!("{} {number}", self.name())
    }

    /// The role of that name.
    pub fn by_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .with_context(|| format!("there is no process `{name}`"))
    }

    /// The service it belongs to.
    pub fn service(self) -> Owner {
        match self {
            Self::InventoryServe | Self::InventoryConsume => Owner::Inventory,
            Self::PaymentsServe | Self::PaymentsConsume => Owner::Payments,
        }
    }

    /// The port on which the process serves HTTP, `/readyz` included.
    pub fn port(self, ports: &Ports) -> u16 {
        match self {
            Self::InventoryServe => ports.inventory_http,
            Self::InventoryConsume => ports.inventory_consumer,
            Self::PaymentsServe => ports.payments_http,
            Self::PaymentsConsume => ports.payments_consumer,
        }
    }

    /// The same port, to be changed.
    pub fn port_mut(self, ports: &mut Ports) -> &mut u16 {
        match self {
            Self::InventoryServe => &mut ports.inventory_http,
            Self::InventoryConsume => &mut ports.inventory_consumer,
            Self::PaymentsServe => &mut ports.payments_http,
            Self::PaymentsConsume => &mut ports.payments_consumer,
        }
    }

    /// The user as which it logs in to both stores.
    pub fn user(self) -> User {
        match self.service() {
            Owner::Inventory => User::Inventory,
            Owner::Payments => User::Payments,
        }
    }

    fn program(self, binaries: &Binaries) -> PathBuf {
        match self.service() {
            Owner::Inventory => binaries.inventory.clone(),
            Owner::Payments => binaries.payments.clone(),
        }
    }

    /// How to start the process: on these ports, with these addresses of the stores (inventory's
    /// first).
    pub fn launch(
        self,
        binaries: &Binaries,
        ports: &Ports,
        [inventory, payments]: [String; 2],
    ) -> Launch {
        let (http, consumer) = match self.service() {
            Owner::Inventory => (ports.inventory_http, ports.inventory_consumer),
            Owner::Payments => (ports.payments_http, ports.payments_consumer),
        };
        let env: Vec<(String, String)> = [
            ("INVENTORY_REDIS_URL", inventory),
            ("PAYMENTS_REDIS_URL", payments),
            ("HTTP_ADDR", format!("127.0.0.1:{http}")),
            ("CONSUMER_HTTP_ADDR", format!("127.0.0.1:{consumer}")),
            (
                "INVENTORY_URL",
                format!("http://127.0.0.1:{}", ports.inventory_http),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        Launch {
            name: self.name().to_owned(),
            program: self.program(binaries),
            args: self.name().split(' ').skip(1).map(Into::into).collect(),
            // A `..._FILE` in the user's environment would contradict the value that is given here.
            env_remove: env.iter().map(|(name, _)| format!("{name}_FILE")).collect(),
            env,
        }
    }
}
