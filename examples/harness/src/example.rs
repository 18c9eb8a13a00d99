//! The examples: their processes, and the servers that they need.

use anyhow::{Context, Result};

/// An example that runs as processes with servers.
#[derive(Debug)]
pub struct Example {
    /// The name of the example, of its program and of its database.
    pub name: &'static str,
    /// Its processes, in the order they are started. The first serves the API.
    pub roles: &'static [Role],
    /// Its servers.
    pub needs: &'static [Need],
    /// The request that a person tries first.
    pub first_call: FirstCall,
}

/// A `POST` request.
#[derive(Debug)]
pub struct FirstCall {
    /// Path and query.
    pub path: &'static str,
    /// The body in JSON, if it has one.
    pub body: Option<&'static str>,
    /// The status of the answer.
    pub status: u16,
}

/// A process of an example.
#[derive(Debug)]
pub struct Role {
    /// The name for people.
    pub name: &'static str,
    /// The command of the program.
    pub verb: &'static str,
    /// The setting with the address on which it listens.
    pub address: &'static str,
    /// The port without an offset.
    pub port: u16,
}

/// A server that an example needs.
#[derive(Debug)]
pub struct Need {
    /// What it is.
    pub kind: Kind,
    /// The setting with its address. A person who sets it brings a server along.
    pub setting: &'static str,
    /// The port without an offset.
    pub port: u16,
}

/// The kind of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL.
    Postgres,
    /// A Kafka broker.
    Broker,
    /// Redis or Valkey.
    Redis,
}

/// All examples.
pub static EXAMPLES: [Example; 3] = [
    Example {
        name: "records",
        roles: &[Role {
            name: "records serve",
            verb: "serve",
            address: "HTTP_ADDR",
            port: 8002,
        }],
        needs: &[
            Need {
                kind: Kind::Postgres,
                setting: "DATABASE_URL",
                port: 5442,
            },
            Need {
                kind: Kind::Redis,
                setting: "REDIS_URL",
                port: 6402,
            },
        ],
        first_call: FirstCall {
            path: "/create-record/?user_id=1&key=visits&value=1",
            body: None,
            status: 201,
        },
    },
    Example {
        name: "items",
        roles: &[
            Role {
                name: "items serve",
                verb: "serve",
                address: "HTTP_ADDR",
                port: 8004,
            },
            Role {
                name: "items consume",
                verb: "consume",
                address: "CONSUMER_HTTP_ADDR",
                port: 8005,
            },
        ],
        needs: &[Need {
            kind: Kind::Redis,
            setting: "ITEMS_REDIS_URL",
            port: 6404,
        }],
        first_call: FirstCall {
            path: "/items/1?value=tea",
            body: None,
            status: 202,
        },
    },
    Example {
        name: "todos",
        roles: &[
            Role {
                name: "todos serve",
                verb: "serve",
                address: "HTTP_ADDR",
                port: 8003,
            },
            Role {
                name: "todos consume",
                verb: "consume",
                address: "CONSUMER_HTTP_ADDR",
                port: 8006,
            },
        ],
        needs: &[
            Need {
                kind: Kind::Postgres,
                setting: "DATABASE_URL",
                port: 5443,
            },
            Need {
                kind: Kind::Broker,
                setting: "KAFKA_BROKERS",
                port: 9093,
            },
        ],
        first_call: FirstCall {
            path: "/todos/?wait=applied",
            body: Some(r#"{"title":"Buy tea"}"#),
            status: 201,
        },
    },
];

impl FirstCall {
    /// The command that sends it to this address.
    pub fn command(&self, url: &str) -> String {
        let Self { path, body, .. } = self;
        match body {
            None => format!("curl -X POST '{url}{path}'"),
            Some(body) => {
                format!("curl '{url}{path}' -H 'content-type: application/json' -d '{body}'")
            }
        }
    }
}

impl Example {
    /// The example of that name.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        let found = EXAMPLES.iter().find(|example| example.name == name);
        found.with_context(|| {
            let names = EXAMPLES.each_ref().map(|example| example.name).join(", ");
            format!("there is no example `{name}`, only {names}")
        })
    }
}
