//! `stack up`: runs the whole system in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use data::DataDir;
use running::Running;
use stack::binaries::{Binaries, Build};
use stack::foreground;
use stack::foreground::{Colors, Output};
use stack::guard::{Farewell, Guard};
use stack::health::Member;
use stack::ports;
use stack::ports::Ports;
use stack::process::Process;
use stack::redis::{Owner, RedisOptions};
use stack::role::Role;
use stack::running::Note;
use stack::server::Server;
use stack::topology::{StoreServers, Topology};

mod data;
mod running;
mod summary;

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct Up {
    /// Add this to every port: 8000, 8001, 6380 (inventory), 9400, 9401, 6390 (payments)
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// Build and run release binaries
    #[arg(long)]
    release: bool,
    /// Where the stores keep their data [default: .data/run in the project]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Remove all products and orders of earlier runs first
    #[arg(long)]
    fresh: bool,
    /// Make each store a Redis Cluster of three primaries with a replica each, on ports 6380 to
    /// 6385 and 6390 to 6395; their data is kept apart [default: .data/run-cluster]
    #[arg(long)]
    cluster: bool,
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

/// The colours of the processes, as a terminal numbers them.
const COLORS: Colors = &[
    ("inventory serve", "36"),
    ("inventory consume", "34"),
    ("inventory redis", "90"),
    ("payments serve", "33"),
    ("payments consume", "35"),
    ("payments redis", "90"),
];

/// Everything that is prepared before the first process starts.
struct Plan {
    ports: Ports,
    port_offset: u16,
    data: DataDir,
    server: Server,
    binaries: Binaries,
    output: Output,
    topology: Topology,
}

impl Up {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let ports = Ports::standard(self.port_offset)?;
        let data = DataDir::open(self.data_dir, self.fresh, self.cluster)?;
        let topology = if self.cluster {
            Topology::CLUSTER
        } else {
            Topology::Single
        };
        check_ports(&ports, topology)?;
        let server = data.server()?;
        let binaries = Build::show(self.release)?;
        let output = Output::new(self.no_color, COLORS)?;
        let plan = Plan {
            ports,
            port_offset: self.port_offset,
            data,
            server,
            binaries,
            output,
            topology,
        };
        stack::runtime()?.block_on(plan.run())
    }
}

impl Plan {
    /// Runs until Ctrl-C, SIGTERM, or the end of a child that would end again after every start. In
    /// each case it leaves no process behind.
    async fn run(self) -> Result<ExitCode> {
        let running = Running::default();
        let work = self.start_and_watch(&running);
        foreground::run(&self.output, &running, work).await
    }

    /// Starts the system, prints the box of addresses, and restarts processes that end. Returns
    /// when a process would end again after every start, and answers why.
    async fn start_and_watch(&self, running: &Running) -> Result<String> {
        let guard = self.binaries.guard(Farewell::Term);
        let stores = self.start_stores(&guard, running).await?;
        let urls = |role: Role| stores.each_ref().map(|store| store.url(role.user()));
        for role in Role::ALL {
            let mut launch = role.launch(&self.binaries, &self.ports, urls(role));
            launch.env.extend(self.output.child_env());
            let process =
                Process::start(launch, guard.clone(), Some(self.output.sink(role.name())))?;
            let url = format!("http://127.0.0.1:{}", role.port(&self.ports));
            running.add_service(Member {
                process: Arc::new(process),
                url,
            });
        }
        tokio::select! {
            ready = running.wait_ready() => ready?,
            end = running.keep(false) => return Ok(end),
        }
        self.output.let_servers_speak(true);
        let _note = Note::write(&self.ports, &self.binaries, urls(Role::PaymentsServe))?;
        self.output.print(&summary::text(
            &self.ports,
            self.port_offset,
            &stores,
            &self.server,
        ));
        Ok(running.keep(true).await)
    }

    /// Starts both stores, inventory's first, and waits until they answer.
    async fn start_stores(&self, guard: &Guard, running: &Running) -> Result<[StoreServers; 2]> {
        let (inventory, payments) = tokio::try_join!(
            self.launch_store(Owner::Inventory, guard, running),
            self.launch_store(Owner::Payments, guard, running),
        )?;
        for store in [&inventory, &payments] {
            store.wait_ready().await?;
            if has_partitions() {
                store.allow_partitions().await?;
            }
        }
        Ok([inventory, payments])
    }

    async fn launch_store(
        &self,
        store: Owner,
        guard: &Guard,
        running: &Running,
    ) -> Result<StoreServers> {
        let log = format!("{} redis", store.name());
        let (dir, server) = (self.data.store(store), self.server.clone());
        let options = RedisOptions {
            sink: Some(self.output.warnings_sink(&log, |line| line.contains(" # "))),
            readers: Some(store.readers()),
            ..RedisOptions::new(store, dir, server, guard.clone())
        };
        let port = match store {
            Owner::Inventory => self.ports.inventory_redis,
            Owner::Payments => self.ports.payments_redis,
        };
        let servers = Box::pin(self.topology.launch(options, Some(port))).await?;
        for server in servers.servers() {
            running.add_store(server);
        }
        Ok(servers)
    }
}

/// Whether the services get a number of partitions: they have the same environment as this process.
#[expect(
    clippy::disallowed_methods,
    reason = "the services read the number, this only whether there is one"
)]
fn has_partitions() -> bool {
    ["PARTITIONS", "PARTITIONS_FILE"]
        .into_iter()
        .any(|name| std::env::var_os(name).is_some())
}

fn check_ports(ports: &Ports, topology: Topology) -> Result<()> {
    let named = ports.named().into_iter();
    let all: Vec<_> = named.chain(further_ports(ports, topology)).collect();
    ports::check(&all, "cargo run-all --port-offset 100")
}

/// The further ports of the stores beside their first ones, with the names of their owners.
fn further_ports(ports: &Ports, topology: Topology) -> Vec<(&'static str, u16)> {
    let stores = [
        ("inventory redis", ports.inventory_redis),
        ("payments redis", ports.payments_redis),
    ];
    let all = stores.into_iter().flat_map(|(name, first)| {
        let ports = topology.ports(first).into_iter().skip(1);
        ports.map(move |port| (name, port))
    });
    all.collect()
}
