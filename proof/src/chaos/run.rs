//! Runs one profile from its start to its report.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use judge::Judge;
use stack::binaries::Binaries;
use stack::system::System;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle as Task;

use super::figures::{Figure, Figures, Tally};
use super::history::History;
use super::inject::{Declared, Injector};
use super::load::{Load, Shops, Wishes};
use super::plan::{Fault, PROCESSES};
use super::profiles::{Durability, EVERY_SECOND, Profile};
use super::report::{ProfileReport, Say};
use super::resources::Peaks;
use super::stores::Operators;
use super::watch::{Seen, Watch};
use super::{heal, load, plan};
use crate::links::Links;
use crate::shim;
use crate::supervisor::Supervisor;

mod judge;

/// The delay of orders: short, so that cancellations race with payments, and long enough for a
/// cancellation to come first.
const DELAY: Duration = Duration::from_millis(300);
/// The pause between two lines of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// A running profile.
struct Running {
    // Dropped first: the supervisor must not start a process again while the system ends.
    supervisor: Arc<Supervisor>,
    links: Links,
    system: Arc<System>,
    profile: Profile,
    operators: Operators,
    history: Arc<History>,
    tally: Arc<Tally>,
    seen: Arc<Mutex<Seen>>,
}

/// Runs a profile and checks everything.
pub(super) async fn profile(
    profile: &Profile,
    mut random: Rng,
    binaries: Binaries,
    folder: &Path,
    say: &Say,
) -> Result<ProfileReport> {
    let started = Instant::now();
    let faults = plan::faults(profile, &mut random.fork());
    let wishes = load::wishes(profile, &mut random.fork());
    let (orders, lasts) = (
        wishes.orders.len(),
        (profile.warm_up + profile.window).as_secs(),
    );
    say(&format!(
        "\nprofile {}: {orders} orders and {} faults in {lasts} s",
        profile.name,
        faults.len()
    ));
    let (system, links) = start(profile, random.u64(..), binaries, folder).await?;
    let system = Arc::new(system);
    let running = Running {
        supervisor: Arc::new(Supervisor::start(system.members())),
        links,
        profile: profile.clone(),
        operators: Operators::of(&system)?,
        history: Arc::new(History::create(&folder.join("history.jsonl"))?),
        tally: Arc::default(),
        seen: Arc::default(),
        system,
    };
    let mut judge = Judge::default();
    let outcome = running
        .run(faults, wishes, random.u64(..), &mut judge, say)
        .await;
    running.history.flush();
    outcome?;
    let (planned, seen) = (planned(profile), running.tally.seen());
    judge.figures(&planned, &seen);
    Ok(ProfileReport {
        name: profile.name,
        planned,
        seen,
        findings: judge.findings,
        remarks: judge.remarks,
        took: started.elapsed(),
    })
}

async fn start(
    profile: &Profile,
    seed: u64,
    binaries: Binaries,
    folder: &Path,
) -> Result<(System, Links)> {
    let mut builder = System::builder()
        .binaries(binaries)
        .env("COMPLETION_DELAY", &format!("{}ms", DELAY.as_millis()))
        .env("RECLAIM_IDLE", "1s")
        // No entry is trimmed by age, so that the checker sees every entry that was emitted.
        .env("STREAM_RETENTION", "30d")
        .env("RUST_LOG", "info,http=warn")
        .logs(folder)
        .limited()
        .store_environment(shim::environment());
    if profile.durability == Durability::EverySecond {
        builder = builder.redis(EVERY_SECOND.0, EVERY_SECOND.1);
    }
    let (builder, links) = Links::put_into(builder, seed);
    let system = builder.start().await?;
    for replica in PROCESSES.iter().filter_map(|name| name.strip_suffix(" 2")) {
        system.start_replica(replica, 2).await?;
    }
    Ok((system, links))
}

/// The planned figures. The supervisor has to restart a process after each kill and termination.
fn planned(profile: &Profile) -> Figures {
    let ends =
        profile.planned.get(Figure::ServiceKills) + profile.planned.get(Figure::Terminations);
    profile.planned.with(Figure::Restarts, ends)
}

impl Running {
    /// Injects the faults under load, heals the system, and collects the verdict.
    async fn run(
        &self,
        faults: Vec<Fault>,
        wishes: Wishes,
        seed: u64,
        judge: &mut Judge,
        say: &Say,
    ) -> Result<()> {
        let load = Arc::new(self.load()?);
        let products = load.open_shop(&wishes).await?;
        let watch = Task::new(tokio::spawn(self.watch(&products).run(self.seen.clone())));
        let (peaks, system) = (Arc::new(Peaks::default()), self.system.clone());
        let measured = peaks.clone();
        let measuring = Task::new(tokio::spawn(async move { measured.watch(&system).await }));
        let progress = Task::new(tokio::spawn(progress(self.tally.clone(), say.clone())));
        let injector = Arc::new(self.injector());
        let start = Instant::now();
        let clients = Task::new(tokio::spawn(load.run(wishes, products, start, seed)));
        sleep_until(start + self.profile.warm_up).await;
        judge.before(&self.system);
        injector.begin();
        let injected = injector.run(faults, start).await;
        injector.heal();
        injected?;
        judge.ready(heal::ready(&self.system).await?);
        clients
            .await
            .context("the clients of the harness failed")??;
        judge.drained(heal::drained(&self.operators).await);
        drop((watch, progress, measuring));
        judge.memory(&peaks.all(&self.system));
        judge.resources(&self.system, &self.profile.planned).await;
        let declared = stack::locked(&injector.declared).clone();
        judge.stores(self, &declared).await
    }

    fn load(&self) -> Result<Load> {
        let url = |name: &str| self.system.url(name);
        let shops = Shops {
            inventory: [url("inventory serve"), url("inventory serve 2")],
            payments: [url("payments serve"), url("payments serve 2")],
        };
        Load::new(shops, DELAY, self.history.clone(), self.tally.clone())
    }

    fn injector(&self) -> Injector {
        Injector {
            supervisor: self.supervisor.clone(),
            links: self.links.clone(),
            system: self.system.clone(),
            operators: self.operators.clone(),
            history: self.history.clone(),
            tally: self.tally.clone(),
            drop_answers: f64::from(self.profile.dropped_per_mille) / 1_000.0,
            declared: Mutex::new(Declared::default()),
            turns: Mutex::default(),
            offsets: Mutex::default(),
        }
    }

    fn watch(&self, products: &[String]) -> Watch {
        Watch {
            inventory: self.operators.inventory.clone(),
            payments: self.operators.payments.clone(),
            products: products.to_vec(),
            history: self.history.clone(),
            may_forget: self.profile.durability == Durability::EverySecond,
        }
    }
}

/// Writes a line of progress every `PROGRESS_INTERVAL`.
async fn progress(tally: Arc<Tally>, say: Say) {
    let started = Instant::now();
    loop {
        sleep(PROGRESS_INTERVAL).await;
        let seen = tally.seen();
        let count = |figure| seen.get(figure);
        say(&format!(
            "  {:>4} s  {} orders, {} repeated, {} cancelled late; killed {} services, {} stores",
            started.elapsed().as_secs(),
            count(Figure::Orders),
            count(Figure::Retries),
            count(Figure::CancelRaces),
            count(Figure::ServiceKills),
            count(Figure::StoreKills),
        ));
    }
}
