//! The programs: run to their end with a verb, or started while a test reads every line.

use std::ffi::OsString;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use shared::store::partition::Partitions;
use stack::binaries::Binaries;
use stack::guard::Farewell;
use stack::ports::Ports;
use stack::process::{Launch, Process};
use stack::redis::Owner;
use stack::role::{Role, SETTINGS};
use stack::wait::eventually;
use stack::{binaries, memory};
use tokio::process::Command;
use tokio::time::timeout;

use super::{LIMIT, Shop};

/// All lines of one process.
pub(crate) type Lines = Arc<Mutex<Vec<String>>>;

/// Runs a program with these arguments and only these variables, to its end.
pub(crate) async fn run(service: Owner, args: &[&str], env: &[(&str, &str)]) -> Output {
    let env = env
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.into()));
    run_with(service, args, &env.collect::<Vec<_>>()).await
}

/// The same, for values that need not be text.
pub(crate) async fn run_with(service: Owner, args: &[&str], env: &[(String, OsString)]) -> Output {
    let binaries = binaries();
    let program = match service {
        Owner::Inventory => binaries.inventory,
        Owner::Payments => binaries.payments,
    };
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    timeout(LIMIT, command.output()).await.unwrap().unwrap()
}

/// Freezes a process. Waits until all its threads have stopped, which may be a moment after the
/// signal.
pub(crate) async fn freeze(process: &Process) {
    process.pause();
    let tasks = format!("/proc/{}/task", process.pid());
    let is_stopped = |stat: String| stat.rsplit(") ").next().unwrap().starts_with('T');
    eventually("every thread to stop", async || {
        let mut tasks = std::fs::read_dir(&tasks).unwrap();
        tasks.all(|task| {
            let stat = std::fs::read_to_string(task.unwrap().path().join("stat"));
            stat.is_ok_and(is_stopped)
        })
    })
    .await;
}

/// What a program wrote to both its outputs.
pub(crate) fn text(output: &Output) -> String {
    let bytes = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(bytes).unwrap()
}

impl Shop {
    /// Runs a verb with the environment of the process of this role.
    pub(crate) async fn run(&self, role: Role, args: &[&str]) -> Output {
        let launch = self.launch(role);
        let env = launch.env.iter();
        let mut env: Vec<_> = env
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let partitions = self.payments.partitions;
        let count = partitions.all().count().to_string();
        if partitions != Partitions::NONE {
            env.push(("PARTITIONS", &count));
        }
        run(role.service(), args, &env).await
    }

    /// Starts another process of this role beside the system, and collects all its lines.
    pub(crate) fn start_overheard(&self, role: Role, env: &[(&str, &str)]) -> (Process, Lines) {
        let mut launch = self.launch(role);
        launch.env_remove = SETTINGS.map(str::to_owned).into();
        let env = env.iter();
        launch
            .env
            .extend(env.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let lines = Lines::default();
        let sink = lines.clone();
        let guard = binaries().guard(Farewell::Kill);
        let sink = move |line: &str| sink.lock().unwrap().push(line.to_owned());
        let process = Process::start(launch, guard, Some(Arc::new(sink))).unwrap();
        (process, lines)
    }

    /// A command for a process of this role, with the memory limit of its container. The test
    /// chooses the outputs.
    pub(crate) fn command(&self, role: Role, env: &[(&str, &str)]) -> Command {
        let launch = memory::limited(self.launch(role), &binaries().stack);
        let mut command = Command::new(launch.program);
        command
            .args(launch.args)
            .env_clear()
            .envs(launch.env)
            .envs(env.iter().copied());
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn launch(&self, role: Role) -> Launch {
        let port = |name| {
            let url = self.system.url(name);
            url.rsplit(':').next().unwrap().parse().unwrap()
        };
        let ports = Ports {
            inventory_http: port("inventory serve"),
            inventory_consumer: port("inventory consume"),
            inventory_redis: self.system.inventory_redis().port(),
            payments_http: port("payments serve"),
            payments_consumer: port("payments consume"),
            payments_redis: self.system.payments_redis().port(),
        };
        let stores = self.system.store_urls(role.user());
        role.launch(&binaries(), &ports, stores)
    }
}

/// The programs, which were built when the first system started.
fn binaries() -> Binaries {
    binaries::shared().unwrap()
}
