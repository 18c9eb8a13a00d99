//! The whole system for one test: two stores and four processes on free ports, with data that is
//! thrown away.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::guard::Guard;
use crate::health::{Member, QUOTED_LINES};
use crate::ports::{Port, Ports};
use crate::process::{Launch, LineSink, Process};
use crate::redis::{Owner, RedisServer};
use crate::role::{Role, SETTINGS, Stores};
use crate::{health, memory, ports};

pub use builder::Builder;
pub use route::{Endpoint, Hop, Route};

mod builder;
mod route;

const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running system. Dropping it kills every process and removes its data. All methods take
/// `&self`.
pub struct System {
    // Fields are dropped in this order: the services first, then the stores, then their data and
    // the ports.
    members: Members,
    inventory_redis: RedisServer,
    payments_redis: RedisServer,
    binaries: Binaries,
    guard: Guard,
    env: Vec<(String, String)>,
    /// Says what processes connect to in place of stores and services, if a test wants that.
    route: Option<Route>,
    /// Where what the services say is written, if anywhere.
    logs: Option<PathBuf>,
    /// Whether they have the memory of their containers and no more.
    limited: bool,
    ports: Ports,
    reservations: Mutex<Vec<Port>>,
    _data: TempDir,
}

/// The service processes of a system, in the order in which they were described.
#[derive(Clone, Default)]
pub struct Members(Arc<Mutex<Vec<Named>>>);

struct Named {
    name: String,
    member: Member,
}

impl System {
    /// Describes a system; [`Builder::start`] starts it.
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

    /// The store of inventory.
    pub fn inventory_redis(&self) -> &RedisServer {
        &self.inventory_redis
    }

    /// The store of payments.
    pub fn payments_redis(&self) -> &RedisServer {
        &self.payments_redis
    }

    /// The process of that name, such as `inventory serve` or `inventory consume 2`.
    ///
    /// # Panics
    ///
    /// When there is none, because then the test is wrong.
    pub fn process(&self, name: &str) -> Arc<Process> {
        self.member(name).process
    }

    /// The address of that process, also of a consumer (health) or a replica.
    ///
    /// # Panics
    ///
    /// When there is no process of that name.
    pub fn url(&self, name: &str) -> String {
        self.member(name).url
    }

    /// Starts one more process of a role with its own ports and consumer name, and waits until it
    /// is ready. It is called `<role> <number>`.
    pub async fn start_replica(&self, role: &str, number: usize) -> Result<Arc<Process>> {
        let role = Role::by_name(role)?;
        let (mut ports, port) = (self.ports.clone(), ports::free()?);
        *role.port_mut(&mut ports) = port.number();
        self.reservations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(port);
        let consumer_name = format!("{}-replica-{number}", role.service().name());
        let process = self.add(
            role,
            format!("{} {number}", role.name()),
            &ports,
            vec![("CONSUMER_NAME", consumer_name)],
        )?;
        process.restart()?;
        self.wait_process_ready(process.name()).await?;
        Ok(process)
    }

    /// Waits until every process that was ever started answers 200 on `/readyz` (at most 30 s). One
    /// that has ended is an error, which shows the last lines of its log; so after a kill, restart
    /// it first or use [`System::wait_process_ready`].
    pub async fn wait_ready(&self) -> Result<()> {
        health::wait_ready(&self.members.started(), READY_LIMIT).await
    }

    /// The same for one process.
    pub async fn wait_process_ready(&self, name: &str) -> Result<()> {
        health::wait_ready(&[self.member(name)], READY_LIMIT).await
    }

    /// All service processes, also those that are added later.
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
        let stores = Stores {
            inventory: &self.inventory_redis,
            payments: &self.payments_redis,
        };
        let mut launch = role.launch(&self.binaries, ports, stores);
        if self.limited {
            launch = memory::limited(launch, &self.binaries.stack);
        }
        if let Some(route) = &self.route {
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
        self.members
            .with(|members| members.push(Named { name, member }));
        Ok(process)
    }

    fn member(&self, name: &str) -> Member {
        let found = self.members.find(name, |named| named.member.clone());
        found.unwrap_or_else(|| panic!("there is no process `{name}`"))
    }
}

impl Members {
    /// The processes that were ever started.
    pub fn processes(&self) -> Vec<Arc<Process>> {
        self.started()
            .into_iter()
            .map(|member| member.process)
            .collect()
    }

    fn started(&self) -> Vec<Member> {
        self.with(|members| {
            let started = members
                .iter()
                .filter(|named| named.member.process.pid() != 0);
            started.map(|named| named.member.clone()).collect()
        })
    }

    fn find<T>(&self, name: &str, work: impl FnOnce(&Named) -> T) -> Option<T> {
        self.with(|members| members.iter().find(|named| named.name == name).map(work))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Named>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_last_lines();
        }
        // The test may still hold one of them; its store and its data go now all the same.
        self.members
            .with(|members| members.iter().for_each(|named| named.member.process.kill()));
    }
}

impl System {
    /// A test that fails shows what the processes said last, which is where the reason stands.
    fn show_last_lines(&self) {
        let show = |process: &Process| {
            eprintln!("--- {} (exit: {:?})", process.name(), process.exit());
            for line in process.last_lines(QUOTED_LINES) {
                eprintln!("    {line}");
            }
        };
        show(self.inventory_redis.process());
        show(self.payments_redis.process());
        self.members
            .with(|members| members.iter().for_each(|named| show(&named.member.process)));
    }
}

/// A test depends on nothing that happens to stand in the environment it was started from.
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

/// A sink that writes into a file of this name. A line that cannot be written is no reason to stop.
fn log_file(folder: &Path, name: &str) -> Result<LineSink> {
    let path = folder.join(format!("{}.log", name.replace(' ', "-")));
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let file = Mutex::new(file);
    Ok(Arc::new(move |line| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(file, "{line}");
    }))
}
