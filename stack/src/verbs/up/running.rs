//! The six processes of a run, and how they end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use stack::health;
use stack::health::Member;
use stack::note::note;
use stack::redis::RedisServer;
use tokio::time::{Instant, sleep};

use super::revival::Revival;

/// The services themselves promise to end within 5 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// A start includes reading back everything that was ever stored.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// How soon the end of a child is noticed.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The processes that run. Each is added as it starts, so that a stop in the middle stops all of them.
#[derive(Default)]
pub(super) struct Running {
    stores: Mutex<Vec<Arc<RedisServer>>>,
    services: Mutex<Vec<Member>>,
}

impl Running {
    pub(super) fn add_store(&self, store: Arc<RedisServer>) {
        lock(&self.stores).push(store);
    }

    pub(super) fn add_service(&self, service: Member) {
        lock(&self.services).push(service);
    }

    pub(super) fn services(&self) -> Vec<Member> {
        lock(&self.services).clone()
    }

    /// Waits until all services are ready; as long as it takes, while a store waits for room.
    pub(super) async fn wait_ready(&self) -> Result<()> {
        let services = self.services();
        let is_patient = || {
            lock(&self.stores).iter().any(|store| store.only_reads())
                && services
                    .iter()
                    .all(|service| service.process.exit().is_none())
        };
        loop {
            match health::wait_ready(&services, READY_LIMIT).await {
                Err(_) if is_patient() => {}
                outcome => return outcome,
            }
        }
    }

    /// Starts each store again that ends, and each service too if they are `whole`: one that ends
    /// before all were ready once has a fault of its own. The story of the first process that no
    /// start can help.
    pub(super) async fn keep(&self, whole: bool) -> String {
        let mut revival = Revival::default();
        loop {
            let stores = lock(&self.stores).clone();
            for store in stores {
                if let Some(story) = revival.look(store.process(), Some(store.dir())).await {
                    return story;
                }
            }
            for service in self.services().into_iter().filter(|_| whole) {
                if let Some(story) = revival.look(&service.process, None).await {
                    return story;
                }
            }
            sleep(WATCH_INTERVAL).await;
        }
    }

    /// The services drain first, all at the same time; the stores they write to stay until they are
    /// done.
    pub(super) async fn stop(&self) {
        let services = self.services();
        for member in &services {
            member.process.terminate();
        }
        let deadline = Instant::now() + DRAIN_LIMIT;
        for member in &services {
            let left = deadline.saturating_duration_since(Instant::now());
            if member.process.wait(left).await.is_err() {
                member.process.kill();
            }
        }
        let stores = lock(&self.stores).clone();
        for store in &stores {
            store.process().terminate();
        }
        for store in &stores {
            if store.stop().await.is_err() {
                note(&format!(
                    "`{}` did not stop in time and was killed",
                    store.process().name()
                ));
            }
        }
    }

    /// Ends everything at once.
    pub(super) fn kill(&self) {
        lock(&self.services)
            .iter()
            .for_each(|member| member.process.kill());
        lock(&self.stores).iter().for_each(|store| store.kill());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
