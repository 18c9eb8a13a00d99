//! A process: the dependencies that it opens, its listener, and its tasks, which end together.

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::base::config::Address;
use crate::base::health::{Check, Note, Opened, Progress, Readiness};
use crate::base::shutdown::{DRAIN_LIMIT, Shutdown, sleep_unless};
use crate::http::descriptors;
use crate::http::routes::Routes;
use crate::http::server::{self, About};
use crate::http::settings::HttpSettings;
use crate::service::settings::ServiceSettings;

mod stores;

/// Version of the workspace: its crates are released together.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The tasks of one process. When a task fails, the process stops.
///
/// A process listens at once, and opens its dependencies in the background. So it can tell probes
/// and clients which dependency it waits for. Its tasks begin when all dependencies are open.
pub struct Process {
    tasks: JoinSet<anyhow::Result<()>>,
    checks: Vec<Check>,
    notes: Vec<Note>,
    /// One for each dependency, set when the dependency is open.
    dependencies: Vec<Opened>,
    /// Set when all dependencies are open.
    opened: Opened,
    shutdown: Shutdown,
}

impl Process {
    /// A process without tasks, which ends on `shutdown`.
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            tasks: JoinSet::new(),
            checks: Vec::new(),
            notes: Vec::new(),
            dependencies: Vec::new(),
            opened: Opened::default(),
            shutdown,
        }
    }

    /// Opens a dependency of the process: a store, a database, a broker. The process is not ready
    /// before `opening` succeeds. If `opening` fails, the process fails.
    pub fn open<F>(&mut self, name: &'static str, opening: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let opened = self.open_unchecked(name, opening);
        self.check(Check::opened(name, opened));
    }

    /// Opens a dependency without a check. The caller adds a check that can say more.
    fn open_unchecked<F>(&mut self, name: &'static str, opening: F) -> Opened
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (opened, stop) = (Opened::default(), self.shutdown.clone());
        self.dependencies.push(opened.clone());
        let set = opened.clone();
        self.spawn(async move {
            opening.await?;
            set.set();
            tracing::info!("the {name} is open");
            stop.cancelled().await;
            Ok(())
        });
        opened
    }

    /// Adds a check. The process is ready only while all checks succeed.
    pub fn check(&mut self, check: Check) {
        self.checks.push(check);
    }

    /// Adds a note, which `/readyz?verbose` shows.
    pub fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    /// Adds a task that runs `act`, then waits for `interval`, again and again. After a failure,
    /// the next round tries again. Failures in a row with the same reason are logged once.
    pub fn repeat<F, E>(
        &mut self,
        name: &'static str,
        interval: Duration,
        act: impl Fn() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let (opened, stop) = (self.opened.clone(), self.shutdown.clone());
        self.spawn(async move {
            opened.wait(&stop).await;
            let mut last = String::new();
            while !stop.is_cancelled() {
                let failure = act()
                    .await
                    .err()
                    .map_or_else(String::new, |error| error.to_string());
                if !failure.is_empty() && failure != last {
                    tracing::warn!(task = name, error = failure, "failed; trying again later");
                }
                last = failure;
                sleep_unless(&stop, interval).await;
            }
            Ok(())
        });
    }

    /// Adds a task that is a loop of the service's own. The loop must mark its progress, or the
    /// process is not ready.
    pub fn run_loop<F>(&mut self, name: &'static str, run: impl FnOnce(Progress, Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let progress = Progress::new();
        self.checks.push(Check::progress(name, progress.clone()));
        let work = run(progress, self.shutdown.clone());
        let (opened, stop) = (self.opened.clone(), self.shutdown.clone());
        self.spawn(async move {
            opened.wait(&stop).await;
            work.await;
            Ok(())
        });
    }

    /// Serves the API, and runs until the process is told to stop or a task fails.
    pub async fn serve(self, common: &ServiceSettings, routes: Routes) -> anyhow::Result<()> {
        let about = about(common, "serve");
        let settings = common.http.clone();
        self.run(&common.http_addr, routes, settings, about).await
    }

    /// Answers probes on `address`, and runs until the process is told to stop or a task fails.
    pub async fn serve_probes(
        self,
        common: &ServiceSettings,
        address: &Address,
    ) -> anyhow::Result<()> {
        let about = about(common, "consume");
        let settings = common.http.for_probes();
        self.run(address, Routes::default(), settings, about).await
    }

    async fn run(
        mut self,
        address: &Address,
        routes: Routes,
        mut settings: HttpSettings,
        about: About,
    ) -> anyhow::Result<()> {
        settings.max_connections = descriptors::make_room_for(settings.max_connections);
        // First, because the name of the address may take long to resolve.
        self.begin_when_open();
        let listener = listen(address).await?;
        let checks = std::mem::take(&mut self.checks);
        let readiness = Readiness::new(checks, self.shutdown.clone())
            .with_notes(std::mem::take(&mut self.notes));
        let routes = server::with_pages(routes, readiness, about);
        let (stop, grace) = (self.shutdown.clone(), settings.drain_delay + DRAIN_LIMIT);
        self.spawn(async move { Ok(server::serve(listener, routes, settings, stop).await?) });
        let finish = async {
            self.shutdown.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let mut failure = None;
        tokio::select! {
            () = join(&mut self.tasks, &self.shutdown, &mut failure) => {}
            () = finish => tracing::warn!("stopped before all tasks had ended: their work is done again after a restart"),
        }
        failure.map_or(Ok(()), Err)
    }

    /// Lets the tasks begin when all dependencies are open.
    fn begin_when_open(&mut self) {
        let dependencies = std::mem::take(&mut self.dependencies);
        let (opened, stop) = (self.opened.clone(), self.shutdown.clone());
        self.spawn(async move {
            for dependency in dependencies {
                dependency.wait(&stop).await;
            }
            opened.set();
            Ok(())
        });
    }

    fn spawn(&mut self, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(task);
    }
}

/// What a process says about itself.
fn about(common: &ServiceSettings, process: &'static str) -> About {
    About {
        service: common.service,
        version: VERSION,
        commit: common.commit,
        process,
    }
}

async fn listen(address: &Address) -> anyhow::Result<TcpListener> {
    let found = address.resolve().await?;
    server::listen(found).map_err(|error| {
        let reason = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
            io::ErrorKind::PermissionDenied => {
                "this process may not (ports below 1024 are for root)"
            }
            _ => "the system refuses",
        };
        anyhow::anyhow!("cannot listen on {address}: {reason}")
    })
}

/// Waits for all tasks. The first task that fails stops the others.
async fn join(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    shutdown: &Shutdown,
    failure: &mut Option<anyhow::Error>,
) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended.context("a task panicked").flatten() {
            failure.get_or_insert(error);
            shutdown.cancel();
        }
    }
}
