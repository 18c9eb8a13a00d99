//! One Sentinel.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use shared::redis::{Command, Redis, Reply};

use super::{LIMIT, SENTINELS};
use crate::credentials::write_private;
use crate::node::parse;
use crate::ports;
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::redis::RedisOptions;
use crate::wait::wait_for;

/// A server that is silent for this long counts as down, if enough Sentinels agree. Half of it is
/// too short for a busy machine: a primary that has just sent all its data to a replica would be
/// deposed.
const DOWN_AFTER: Duration = Duration::from_secs(1);
/// A failed failover is tried again after twice this time.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(2);

/// A running Sentinel. Killed when dropped.
pub(super) struct Watcher {
    client: Redis,
    name: &'static str,
    port: Port,
    process: Process,
}

impl Watcher {
    /// Starts a Sentinel that watches the primary on this port, and finds the other servers through
    /// it. `password` is that of the user `sentinel` at the servers, `own` that of clients at this
    /// Sentinel.
    pub(super) fn start(
        options: &RedisOptions,
        dir: &Path,
        primary: u16,
        password: &str,
        own: &str,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let (port, name) = (ports::free()?, options.store.name());
        let (number, dir_name) = (port.number(), dir.display());
        let (down_ms, failover_ms) = (DOWN_AFTER.as_millis(), FAILOVER_TIMEOUT.as_millis());
        let quorum = SENTINELS / 2 + 1;
        let config = dir.join("sentinel.conf");
        let text = format!(
            "port {number}
bind 127.0.0.1
dir {dir_name}
requirepass {own}
sentinel monitor {name} 127.0.0.1 {primary} {quorum}
sentinel auth-user {name} sentinel
sentinel auth-pass {name} {password}
sentinel down-after-milliseconds {name} {down_ms}
sentinel failover-timeout {name} {failover_ms}
"
        );
        write_private(&config, &text)?;
        let launch = Launch {
            name: format!("{name} sentinel"),
            program: options.server.path.clone(),
            args: vec![config.into(), "--sentinel".into()],
            ..Launch::default()
        };
        let process = Process::start(launch, options.guard.clone(), None)?;
        let client = Redis::worker(&parse(&format!("redis://:{own}@127.0.0.1:{number}"))?);
        Ok(Self {
            client,
            name,
            port,
            process,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Waits until it knows this number of other Sentinels and this number of replicas.
    pub(super) async fn wait_ready(&self, others: usize, replicas: usize) -> Result<()> {
        wait_for("a Sentinel to know all servers", LIMIT, || async {
            let known = |about| async move { self.ask(about).await?.list().ok() };
            let (sentinels, found) = (known("SENTINELS").await?, known("REPLICAS").await?);
            (sentinels.len() >= others && found.len() >= replicas).then_some(())
        })
        .await
    }

    /// The port of the server that it takes for the primary.
    pub(super) async fn primary(&self) -> Option<u16> {
        let address = self.ask("GET-MASTER-ADDR-BY-NAME").await?.texts().ok()?;
        address.get(1)?.parse().ok()
    }

    /// Begins a failover although the primary is well.
    pub(super) async fn fail_over(&self) -> Result<()> {
        let begin = Command::new("SENTINEL").args(["FAILOVER", self.name]);
        self.client
            .run(begin)
            .await
            .map(drop)
            .context("SENTINEL FAILOVER")
    }

    pub(super) fn history(&self) -> Vec<String> {
        self.process.last_lines(usize::MAX)
    }

    async fn ask(&self, about: &'static str) -> Option<Reply> {
        self.client
            .run(Command::new("SENTINEL").args([about, self.name]))
            .await
            .ok()
    }
}
