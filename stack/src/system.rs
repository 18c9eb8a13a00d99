//! The whole system for one test: two stores and four processes on free ports. Its data is removed
//! with it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::credentials::User;
use crate::guard::Guard;
use crate::health::{Member, QUOTED_LINES};
use crate::ports::{Port, Ports};
use crate::process::{Launch, LineSink, Process};
use crate::redis::{Owner, RedisServer};
use crate::role::{Role, SETTINGS};
use crate::topology::StoreServers;
use crate::{health, memory, ports};

pub use builder::Builder;
pub use members::Members;
pub use route::{Endpoint, Hop, Route};

mod builder;
mod members;
mod route;

/// A running system. Dropping it kills every process and removes its data. All methods take
/// `&self`.
pub struct System {
    // Fields are dropped in this order: the services first, then the stores, then their data and
    // the ports.
    members: Members,
    inventory: StoreServers,
    payments: StoreServers,
    binaries: Binaries,
    guard: Guard,
    env: Vec<(String, String)>,
    /// Redirects the connections of processes to proxies, if a test wants that.
    route: Option<Route>,
    /// The folder for the logs of the services, if a test wants them.
    logs: Option<PathBuf>,
    /// Whether each service process is limited to the memory of its container.
    limited: bool,
    ports: Ports,
    reservations: Mutex<Vec<Port>>,
    _data: TempDir,
}

impl System {
    /// Begins the description of a system; [`Builder::start`] starts it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The address of inventory's HTTP API.
    pub fn inventory_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.inventory_http)
    }

    /// The address of payments' HTTP API.
    pub fn payments_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.payments_http)
    }

    /// The servers of a store.
    pub fn store(&self, owner: Owner) -> &StoreServers {
        match owner {
            Owner::Inventory => &self.inventory,
            Owner::Payments => &self.payments,
        }
    }

    /// The only server of inventory's store.
    ///
    /// # Panics
    ///
    /// When the store has several servers, because then the test is wrong.
    pub fn inventory_redis(&self) -> &RedisServer {
        self.inventory.single()
    }

    /// The only server of payments' store.
    ///
    /// # Panics
    ///
    /// When the store has several servers, because then the test is wrong.
    pub fn payments_redis(&self) -> &RedisServer {
        self.payments.single()
    }

    /// The addresses of both stores, inventory's first, for this user.
    pub fn store_urls(&self, user: User) -> [String; 2] {
        [self.inventory.url(user), self.payments.url(user)]
    }

    /// The process of that name, such as `inventory serve` or `inventory consume 2`.
    ///
    /// # Panics
    ///
    /// When the system has no process of that name, because then the test is wrong.
    pub fn process(&self, name: &str) -> Arc<Process> {
        self.member(name).process
    }

    /// The address of that process. That of a consumer serves only health checks.
    ///
    /// # Panics
    ///
    /// When there is no process of that name.
    pub fn url(&self, name: &str) -> String {
        self.member(name).url
    }

    /// Starts a further process of a role with its own port and consumer name, and waits until it
    /// is ready. Its name is `<role> <number>`.
    pub async fn start_replica(&self, role: &str, number: usize) -> Result<Arc<Process>> {
        let role = Role::by_name(role)?;
        self.start_replicas(&[role], number).await?;
        Ok(self.process(&role.replica(number)))
    }

    /// The same for several roles at once.
    pub async fn start_replicas(&self, roles: &[Role], number: usize) -> Result<()> {
        for role in roles {
            let (mut ports, port) = (self.ports.clone(), ports::free()?);
            *role.port_mut(&mut ports) = port.number();
            crate::locked(&self.reservations).push(port);
            let consumer_name = format!("{}-replica-{number}", role.service().name());
            let consumer_name = vec![("CONSUMER_NAME", consumer_name)];
            self.add(*role, role.replica(number), &ports, consumer_name)?
                .restart()?;
        }
        for role in roles {
            self.wait_process_ready(&role.replica(number)).await?;
        }
        Ok(())
    }

    /// Waits until every process that was ever started answers 200 on `/readyz`, at most 30 s, on
    /// clusters 1 min. An ended process is an error that shows the last lines of its log. After a
    /// kill, restart the process first, or use one of the next two functions.
    pub async fn wait_ready(&self) -> Result<()> {
        self.wait_all_ready(&self.members.started()).await
    }

    /// The same for the processes that have not ended.
    pub async fn wait_running_ready(&self) -> Result<()> {
        let mut members = self.members.started();
        members.retain(|member| member.process.exit().is_none());
        self.wait_all_ready(&members).await
    }

    /// The same for one process.
    pub async fn wait_process_ready(&self, name: &str) -> Result<()> {
        self.wait_all_ready(&[self.member(name)]).await
    }

    async fn wait_all_ready(&self, members: &[Member]) -> Result<()> {
        // Both stores have the same topology.
        health::wait_ready(members, self.inventory.ready_limit()).await
    }

    /// All service processes, including those that are started later.
    pub fn members(&self) -> Members {
        self.members.clone()
    }

    fn add(
        &self,
        role: Role,
        name: String,
        ports: &Ports,
        mut extra: Vec<(&str, String)>,
    ) -> Result<Arc<Process>> {
        let stores = self.store_urls(role.user());
        let mut launch = role.launch(&self.binaries, ports, stores);
        if self.limited {
            launch = memory::limited(launch, &self.binaries.stack);
        }
        if let Some(route) = &self.route {
            let stores = [self.inventory_redis(), self.payments_redis()];
            extra.extend(route::variables(route, &name, role, ports, stores)?);
        }
        isolate(&mut launch, &self.env, extra);
        launch.name.clone_from(&name);
        let log = self
            .logs
            .as_ref()
            .map(|folder| log_file(folder, &name))
            .transpose()?;
        let process = Arc::new(Process::prepare(launch, self.guard.clone(), log));
        let url = format!("http://127.0.0.1:{}", role.port(ports));
        let member = Member {
            process: process.clone(),
            url,
        };
        self.members.push(name, member);
        Ok(process)
    }

    fn member(&self, name: &str) -> Member {
        let found = self.members.find(name);
        found.unwrap_or_else(|| panic!("there is no process `{name}`"))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_last_lines();
        }
        // A test may still hold a process. It is killed all the same, because its store and its
        // data are removed now.
        for process in self.members.all() {
            process.kill();
        }
    }
}

impl System {
    /// Shows the last log lines of the processes of a failed test, because the reason is often
    /// there.
    fn show_last_lines(&self) {
        let show = |process: &Process| {
            eprintln!("--- {} (exit: {:?})", process.name(), process.exit());
            for line in process.last_lines(QUOTED_LINES) {
                eprintln!("    {line}");
            }
        };
        for store in [&self.inventory, &self.payments] {
            store
                .servers()
                .iter()
                .for_each(|server| show(server.process()));
        }
        self.members.all().iter().for_each(|process| show(process));
    }
}

/// Removes all settings from the environment of a process, so that a test does not depend on the
/// environment in which it was started.
fn isolate(launch: &mut Launch, env: &[(String, String)], extra: Vec<(&str, String)>) {
    launch.env_remove = SETTINGS
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("{name}_FILE")])
        .collect();
    launch.env.push(("NO_COLOR".to_owned(), "1".to_owned()));
    launch.env.extend(
        extra
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    launch.env.extend_from_slice(env);
}

/// A sink that writes into a file of this name. It drops a line that cannot be written.
fn log_file(folder: &Path, name: &str) -> Result<LineSink> {
    let path = folder.join(format!("{}.log", name.replace(' ', "-")));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let file = Mutex::new(file);
    Ok(Arc::new(move |line| {
        let mut file = crate::locked(&file);
        let _ = writeln!(file, "{line}");
    }))
}
