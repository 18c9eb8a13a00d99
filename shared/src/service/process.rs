//! What every process of the system is made of: an opened store, a listener, loops that end
//! together.

use std::future::Future;
use std::io;
use std::sync::Arc;
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
use crate::live::{FEED_BLOCK, Feed, Show};
use crate::redis::RedisUrl;
use crate::redis::{Redis, RedisError};
use crate::service::checks;
use crate::service::settings::Common;
use crate::store::Store;
use crate::store::claim::{SWEEP_INTERVAL, sweep_claims};
use crate::store::libraries::LOOK_INTERVAL;
use crate::store::open::Witness;
use crate::store::sweep::Sweep;
use crate::stream::consumer::{Consumer, Settings};
use crate::stream::dead_letter::Caretaker;
use crate::stream::delivery::Handler;

/// Version of the workspace: its crates are released together.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The tasks of one process. When one of them fails, the process stops.
pub struct Process {
    tasks: JoinSet<anyhow::Result<()>>,
    checks: Vec<Check>,
    notes: Vec<Note>,
    opened: Opened,
    shutdown: Shutdown,
}

impl Process {
    /// A process that opens `store` in the background. It listens before the store is there, so
    /// that probes and clients are told what it waits for.
    pub fn new(store: Store, witness: Witness, shutdown: Shutdown) -> Self {
        let opened = Opened::default();
        let checks = vec![checks::own_store(store.clone(), opened.clone())];
        let (tasks, notes) = (JoinSet::new(), Vec::new());
        let mut process = Self {
            tasks,
            checks,
            notes,
            opened: opened.clone(),
            shutdown,
        };
        let stop = process.shutdown.clone();
        let opening = store.clone();
        process.spawn(async move {
            opening.open(&witness, &stop).await?;
            opened.set();
            // Nobody else needs this connection.
            drop(witness);
            tracing::info!("the store is open");
            stop.cancelled().await;
            Ok(())
        });
        process.repeat("libraries", LOOK_INTERVAL, move || {
            let store = store.clone();
            async move { store.tend_libraries().await }
        });
        process
    }

    /// Adds consumers of one event type: one for each partition, because a blocking read needs a
    /// connection of its own.
    pub fn consume<H: Handler + Clone>(&mut self, handler: &H, store: &Store, settings: &Settings) {
        for partition in store.partitions().all() {
            let progress = Progress::new();
            self.checks
                .push(Check::progress("consumer", progress.clone()));
            let consumer = Consumer::new(
                handler.clone(),
                store.clone(),
                partition,
                settings,
                progress,
            );
            self.checks.push(checks::stream_store(
                consumer.stream_store(),
                consumer.membership().clone(),
                self.opened.clone(),
            ));
            let (opened, stop) = (self.opened.clone(), self.shutdown.clone());
            self.spawn(async move {
                // Before the store has its identity, "no such product" would be no answer.
                opened.wait(&stop).await;
                consumer.run(stop).await;
                Ok(())
            });
        }
        self.notes
            .push(checks::pending::<H::Event>(store, settings));
        self.notes.push(checks::dead_letters(store.clone()));
        let interval = settings.report_interval;
        let caretaker = Arc::new(Caretaker::new(settings.dead_letters, interval / 2));
        let store = store.clone();
        self.repeat("dead letters", interval, move || {
            let (store, caretaker) = (store.clone(), Arc::clone(&caretaker));
            async move { caretaker.tend(&store).await }
        });
    }

    /// Adds a task that runs `act` every `interval`. A failure is logged once for each reason; the
    /// next round tries again.
    pub fn repeat<F>(
        &mut self,
        name: &'static str,
        interval: Duration,
        act: impl Fn() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), RedisError>> + Send,
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

    /// Adds the task that removes claims of days long ago.
    pub fn sweep_claims(&mut self, store: Store) {
        let sweep = Arc::new(Sweep::new("idempotency keys", SWEEP_INTERVAL / 2));
        self.repeat("sweep claims", SWEEP_INTERVAL, move || {
            let (store, sweep) = (store.clone(), Arc::clone(&sweep));
            async move { sweep_claims(&store, &sweep).await }
        });
    }

    /// Adds a loop of the service's own, which must mark its progress.
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

    /// Hands on the changes of `store`. Each partition is read by a client of its own, because its
    /// reads block.
    pub fn follow<S: Show>(&mut self, feed: &Feed<S>, store: &Store, url: &RedisUrl) {
        for partition in store.partitions().all() {
            let (feed, reader) = (feed.clone(), Redis::reader(url, FEED_BLOCK));
            self.run_loop("feed", |progress, stop| {
                feed.run(partition, reader, progress, stop)
            });
        }
    }

    /// Serves the API, and runs until the process is told to stop or a task fails.
    pub async fn serve(self, common: &Common, routes: Routes) -> anyhow::Result<()> {
        let about = about(common, "serve");
        let settings = common.http.clone();
        self.run(&common.http_addr, routes, settings, about).await
    }

    /// Answers probes, and runs until the process is told to stop or a task fails.
    pub async fn serve_probes(self, common: &Common) -> anyhow::Result<()> {
        let about = about(common, "consume");
        let (address, settings) = (&common.consumer_http_addr, common.http.for_probes());
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
            () = finish => tracing::warn!("stopped with work in hand: it will be done again"),
        }
        failure.map_or(Ok(()), Err)
    }

    fn spawn(&mut self, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(task);
    }
}

/// What a process says about itself.
fn about(common: &Common, process: &'static str) -> About {
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

/// Waits for all tasks. The first one that fails stops the others.
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
