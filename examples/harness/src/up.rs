//! `example up`: runs one example with its servers in the foreground.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use stack::binaries::Build;
use stack::foreground::{self, Colors, Folder, Output};
use stack::guard::{Farewell, Guard};
use stack::health;
use stack::ports;
use stack::process::{Launch, Process};
use stack::project;

use crate::example::{Example, Kind, Need, Role};
use crate::place::Place;
use crate::program;
use running::Running;
use server::Server;

mod running;
mod server;
mod summary;

/// The flags of `example up`.
#[derive(Args)]
pub struct Up {
    /// The example: records, items or todos
    name: String,
    /// Add this to every port of the example and of its servers
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// Build and run release binaries
    #[arg(long)]
    release: bool,
    /// Where the servers keep their data [default: .data/run-NAME in the project]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

/// The colours of processes and servers, as a terminal numbers them.
const COLORS: Colors = &[
    ("records serve", "36"),
    ("items serve", "36"),
    ("items consume", "35"),
    ("todos serve", "36"),
    ("todos consume", "35"),
    ("postgres", "90"),
    ("broker", "90"),
    ("redis", "90"),
];

/// Everything that is prepared before the first process starts.
struct Plan {
    example: &'static Example,
    port_offset: u16,
    folder: Folder,
    program: PathBuf,
    guard: Guard,
    output: Output,
}

impl Up {
    /// Runs until Ctrl-C, SIGTERM, or the end of a process that would end again after every start.
    pub fn run(self) -> Result<ExitCode> {
        let example = Example::by_name(&self.name)?;
        let path = self.data_dir.unwrap_or_else(|| {
            let name = format!("run-{}", example.name);
            project::data_dir().join(name)
        });
        let folder = Folder::open(path, &format!("run-{}", example.name))?;
        let named = named_ports(example, self.port_offset)?;
        let moved = format!("just run-{} --port-offset 100", example.name);
        ports::check(&named, &moved)?;
        let build = Build {
            release: self.release,
            progress: true,
        };
        let [program] = program::build_with(build, &[example.name])?;
        let plan = Plan {
            example,
            port_offset: self.port_offset,
            folder,
            program,
            guard: program::guard(Farewell::Term)?,
            output: Output::new(self.no_color, COLORS)?,
        };
        stack::runtime()?.block_on(plan.run())
    }
}

impl Plan {
    async fn run(self) -> Result<ExitCode> {
        let running = Running::default();
        let work = Box::pin(self.start_and_watch(&running));
        foreground::run(&self.output, &running, work).await
    }

    /// Starts the servers and then the processes, prints the frame of addresses, and restarts what
    /// ends. Returns when a process would end again after every start, and answers why.
    async fn start_and_watch(&self, running: &Running) -> Result<String> {
        let mut env = Vec::new();
        let mut lines = Vec::new();
        for need in self.example.needs {
            if is_given(need) {
                lines.push(summary::given(need));
                continue;
            }
            let server = Arc::new(self.start_server(need).await?);
            running.add_server(server.clone());
            env.push((
                need.setting.to_owned(),
                server.url(self.example.name).await?,
            ));
            lines.push(server.entrance(self.example.name));
        }
        for role in self.example.roles {
            running.add_member(self.start_member(role, &env)?);
        }
        tokio::select! {
            ready = running.wait_ready() => ready?,
            end = running.keep(false) => return Ok(end),
        }
        self.output.let_servers_speak(true);
        let frame = summary::text(self.example, self.port_offset, lines);
        self.output.print(&frame);
        Ok(running.keep(true).await)
    }

    async fn start_server(&self, need: &Need) -> Result<Server> {
        let name = need.kind.name();
        let sink = self.output.warnings_sink(name, need.kind.warning());
        let dir = self.folder.path().join(name);
        let port = need.port + self.port_offset;
        let place = Place::kept(&dir, port, self.guard.clone(), sink)?;
        Server::start(need.kind, place).await
    }

    fn start_member(&self, role: &Role, servers: &[(String, String)]) -> Result<health::Member> {
        let address = format!("127.0.0.1:{}", role.port + self.port_offset);
        let mut env = servers.to_vec();
        env.push((role.address.to_owned(), address.clone()));
        let env_remove = env.iter().map(|(name, _)| format!("{name}_FILE")).collect();
        env.extend(self.output.child_env());
        let launch = Launch {
            name: role.name.to_owned(),
            program: self.program.clone(),
            args: vec![role.verb.into()],
            env,
            // A `..._FILE` in the user's environment would contradict the value that is given here.
            env_remove,
        };
        let sink = self.output.sink(role.name);
        let process = Process::start(launch, self.guard.clone(), Some(sink))?;
        Ok(health::Member {
            process: Arc::new(process),
            url: format!("http://{address}"),
        })
    }
}

/// Whether the user brings this server along.
fn is_given(need: &Need) -> bool {
    let file = format!("{}_FILE", need.setting);
    [need.setting, &file]
        .into_iter()
        .any(|name| project::variable(name).is_some())
}

/// The ports of the processes and servers that are started here, with the names of their owners.
fn named_ports(example: &Example, offset: u16) -> Result<Vec<(&'static str, u16)>> {
    let roles = example.roles.iter().map(|role| (role.name, role.port));
    let needs = example.needs.iter().filter(|need| !is_given(need));
    let needs = needs.map(|need| (need.kind.name(), need.port));
    let mut named = Vec::new();
    for (name, port) in roles.chain(needs) {
        let moved = port.checked_add(offset);
        let moved =
            moved.with_context(|| format!("the port offset {offset} leads past port 65535"))?;
        named.push((name, moved));
    }
    Ok(named)
}

impl Kind {
    /// The name for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Broker => "broker",
            Self::Redis => "redis",
        }
    }

    /// Tells lines that a person has to see from all others of the server's log.
    fn warning(self) -> fn(&str) -> bool {
        match self {
            Self::Postgres => |line| {
                let words = ["WARNING:", "ERROR:", "FATAL:", "PANIC:"];
                words.iter().any(|word| line.starts_with(word))
            },
            Self::Broker => |line| line.contains("ERROR") || line.contains("WARN"),
            Self::Redis => |line| line.contains(" # "),
        }
    }
}
