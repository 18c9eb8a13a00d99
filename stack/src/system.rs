//! The whole system for one test: two stores and four processes on free ports, with data that is
//! thrown away.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    binaries::Binaries,
    guard::Guard,
    health::{self, Member, QUOTED_LINES},
    ports::{self, Port, Ports},
    process::{Launch, Process},
    redis::RedisServer,
    role::{Role, SETTINGS, Stores},
};

pub use builder::Builder;

mod builder;

const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running system. Dropping it kills every process and removes its data. All methods take
/// `&self`.
pub struct System {
    // Fields are dropped in this order: the services first, then the stores, then their data and
    // the ports.
    members: Mutex<Vec<Named>>,
    inventory_redis: RedisServer,
    payments_redis: RedisServer,
    binaries: Binaries,
    guard: Guard,
    env: Vec<(String, String)>,
    ports: Ports,
    reservations: Mutex<Vec<Port>>,
    _data: TempDir,
}

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
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner).push(port);
        let consumer_name = format!("{}-replica-{number}", role.service().name());
        let process = self.add(
            role,
            format!("{} {number}", role.name()),
            &ports,
            &[("CONSUMER_NAME", &consumer_name)],
        );
        process.restart()?;
        self.wait_process_ready(process.name()).await?;
        Ok(process)
    }

    /// Waits until every process that was ever started answers 200 on `/readyz` (at most 30 s). One
    /// that has ended is an error, which shows the last lines of its log; so after a kill, restart
    /// it first or use [`System::wait_process_ready`].
    pub async fn wait_ready(&self) -> Result<()> {
        let members: Vec<Member> = self.with_members(|members| {
            let started = members.iter().filter(|named| named.member.process.pid() != 0);
            started.map(|named| named.member.clone()).collect()
        });
        health::wait_ready(&members, READY_LIMIT).await
    }

    /// The same for one process.
    pub async fn wait_process_ready(&self, name: &str) -> Result<()> {
        health::wait_ready(&[self.member(name)], READY_LIMIT).await
    }

    fn add(&self, role: Role, name: String, ports: &Ports, extra: &[(&str, &str)]) -> Arc<Process> {
        let stores = Stores { inventory: &self.inventory_redis, payments: &self.payments_redis };
        let mut launch = role.launch(&self.binaries, ports, stores);
        isolate(&mut launch, &self.env, extra);
        launch.name.clone_from(&name);
        let process = Arc::new(Process::prepare(launch, self.guard.clone(), None));
        let url = format!("http://127.0.0.1:{}", role.port(ports));
        let member = Member { process: process.clone(), url };
        self.with_members(|members| members.push(Named { name, member }));
        process
    }

    fn member(&self, name: &str) -> Member {
        self.with_members(|members| {
            members.iter().find(|named| named.name == name).map(|named| named.member.clone())
        })
        .unwrap_or_else(|| panic!("there is no process `{name}`"))
    }

    fn with_members<T>(&self, work: impl FnOnce(&mut Vec<Named>) -> T) -> T {
        work(&mut self.members.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_last_lines();
        }
        // The test may still hold one of them; its store and its data go now all the same.
        self.with_members(|members| members.iter().for_each(|named| named.member.process.kill()));
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
        self.with_members(|members| members.iter().for_each(|named| show(&named.member.process)));
    }
}

/// A test depends on nothing that happens to stand in the environment it was started from.
fn isolate(launch: &mut Launch, env: &[(String, String)], extra: &[(&str, &str)]) {
    launch.env_remove =
        SETTINGS.iter().flat_map(|name| [(*name).to_owned(), format!("{name}_FILE")]).collect();
    launch.env.push(("NO_COLOR".to_owned(), "1".to_owned()));
    launch.env.extend(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    launch.env.extend_from_slice(env);
}
