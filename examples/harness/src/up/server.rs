//! A server of any kind.

use std::path::Path;

use anyhow::Result;
use stack::process::Process;

use crate::broker::Broker;
use crate::example::Kind;
use crate::place::Place;
use crate::postgres::Postgres;
use crate::redis::{self, Redis};

/// A running server.
pub(super) enum Server {
    Postgres(Postgres),
    Broker(Broker),
    Redis(Redis),
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(super) async fn start(kind: Kind, place: Place) -> Result<Self> {
        Ok(match kind {
            Kind::Postgres => Self::Postgres(Postgres::start_in(place).await?),
            Kind::Broker => Self::Broker(Broker::start_in(place).await?),
            Kind::Redis => Self::Redis(Redis::start_in(place, redis::ACL).await?),
        })
    }

    /// Its address for the example of this name, with a database of that name.
    pub(super) async fn url(&self, example: &str) -> Result<String> {
        Ok(match self {
            Self::Postgres(postgres) => postgres.ensure_database(example).await?,
            Self::Broker(broker) => broker.brokers(),
            Self::Redis(redis) => redis.url(),
        })
    }

    /// How a person reaches it. A password goes through the environment, which only the owner of a
    /// process can read.
    pub(super) fn entrance(&self, example: &str) -> String {
        match self {
            Self::Postgres(postgres) => {
                let (password, port) = (shown(&postgres.password_file()), postgres.port());
                format!(
                    "postgres   PGPASSWORD=\"$(cat \"{password}\")\" psql -h 127.0.0.1 -p {port} -U operator {example}"
                )
            }
            Self::Broker(broker) => format!(
                "broker     {}, Kafka's protocol, messages in memory until it ends",
                broker.brokers()
            ),
            Self::Redis(redis) => {
                let (password, port) = (shown(&redis.password_file()), redis.port());
                format!(
                    "redis      REDISCLI_AUTH=\"$(cat \"{password}\")\" redis-cli -p {port} --user operator"
                )
            }
        }
    }

    pub(super) fn process(&self) -> &Process {
        match self {
            Self::Postgres(postgres) => postgres.process(),
            Self::Broker(broker) => broker.process(),
            Self::Redis(redis) => redis.process(),
        }
    }

    /// The folder with its data, if it keeps any.
    pub(super) fn dir(&self) -> Option<&Path> {
        match self {
            Self::Postgres(postgres) => Some(postgres.dir()),
            Self::Redis(redis) => Some(redis.dir()),
            Self::Broker(_) => None,
        }
    }

    /// Whether all that it has is gone when its process ends. The members would not notice, so a
    /// restart of this server alone would not help.
    pub(super) fn forgets(&self) -> bool {
        matches!(self, Self::Broker(_))
    }

    pub(super) async fn stop(&self) -> Result<()> {
        match self {
            Self::Postgres(postgres) => postgres.stop().await,
            Self::Broker(broker) => broker.stop().await,
            Self::Redis(redis) => redis.stop().await,
        }
    }
}

/// The path relative to the current folder, if it lies there.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().and_then(|dir| dir.canonicalize());
    let short = here.ok().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}
