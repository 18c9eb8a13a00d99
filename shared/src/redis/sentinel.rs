//! Leaves a primary that was deposed and does not know it.
//!
//! A primary that stalled goes on as a primary when it wakes up, and its clients keep writing to
//! it. It takes ten seconds until the Sentinels make it a replica, and the writes of that time are
//! lost. `fred` asks the Sentinels only when it connects, so each client here asks one twice a
//! second.

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use fred::types::config::{Config, Server, ServerConfig};

use super::connection::Connection;
use super::{COMMAND_TIMEOUT, Command, Inner, RedisError, Reply};
use crate::redis::RedisUrl;

/// Pause between two questions to a Sentinel.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How many answers in a row have to name another primary. A Sentinel may hear of a failover late,
/// and name the old primary once more.
const LOOKS: u32 = 2;

/// The Sentinels of a store.
struct Sentinels {
    hosts: Vec<Server>,
    service: String,
    username: Option<String>,
    password: Option<String>,
}

/// Watches a client for as long as it lives, if its store is behind Sentinels.
pub(super) fn watch(client: &Arc<Inner>) {
    if let Some(sentinels) = Sentinels::of(&client.url) {
        tokio::spawn(follow(sentinels, Arc::downgrade(client)));
    }
}

async fn follow(sentinels: Sentinels, client: Weak<Inner>) {
    let (mut turn, mut elsewhere) = (0, 0);
    let mut sentinel = sentinels.connect(turn);
    while client.strong_count() > 0 {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let answer = sentinels.ask(&sentinel).await;
        let Some(client) = client.upgrade() else {
            return;
        };
        let primary = match answer {
            Ok(primary) => primary,
            Err(trouble) => {
                client.set_sentinel_trouble(Some(format!("{}: {trouble}", sentinels.host(turn))));
                turn += 1;
                sentinel = sentinels.connect(turn);
                continue;
            }
        };
        client.set_sentinel_trouble(None);
        let connection = client.connection.load_full();
        elsewhere = if connection.is_elsewhere(&primary) {
            elsewhere + 1
        } else {
            0
        };
        if elsewhere >= LOOKS {
            tracing::warn!(store = %client.url, "another server is the primary now: connecting");
            client.replace();
            elsewhere = 0;
        }
    }
}

impl Inner {
    fn set_sentinel_trouble(&self, trouble: Option<String>) {
        *self
            .sentinel_trouble
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Sentinels {
    fn of(url: &RedisUrl) -> Option<Self> {
        match Config::from_url(url.reveal()).ok()?.server {
            ServerConfig::Sentinel {
                mut hosts,
                service_name,
                username,
                password,
            } => {
                fastrand::shuffle(&mut hosts);
                Some(Self {
                    hosts,
                    service: service_name,
                    username,
                    password,
                })
            }
            _ => None,
        }
    }

    fn host(&self, turn: usize) -> &Server {
        &self.hosts[turn % self.hosts.len()]
    }

    /// A client of one Sentinel: of another one each turn.
    fn connect(&self, turn: usize) -> Connection {
        let config = Config {
            server: ServerConfig::Centralized {
                server: self.host(turn).clone(),
            },
            username: self.username.clone(),
            password: self.password.clone(),
            ..Config::default()
        };
        Connection::to(config, COMMAND_TIMEOUT)
    }

    /// The server that this Sentinel names as the primary, or why it names no server.
    async fn ask(&self, sentinel: &Connection) -> Result<Server, String> {
        let ask = Command::new("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME");
        let answer = sentinel.send(ask.arg(self.service.as_str())).await;
        let address = answer.map_err(|error| match (sentinel.trouble(), error) {
            (Some(trouble), _) => trouble,
            (None, RedisError::Unavailable { message, .. }) => message,
            (None, _) => "it is not a Sentinel".to_owned(),
        })?;
        if address.is_null() {
            return Err(format!("it knows no primary by the name {}", self.service));
        }
        primary(address).ok_or_else(|| "it is not a Sentinel".to_owned())
    }
}

fn primary(address: Reply) -> Option<Server> {
    let [host, port] = address.exactly("an address").ok()?;
    Some(Server::new(
        host.text().ok()?,
        port.text().ok()?.parse().ok()?,
    ))
}
