//! The processes of a run: two stores and four services. Waits for them, restarts and stops them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use stack::foreground::{Revival, Stop};
use stack::health;
use stack::health::Member;
use stack::locked;
use stack::note::note;
use stack::redis::RedisServer;
use tokio::time::{Instant, sleep};

/// The limit for services to stop. They are meant to end within 5 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The limit of a start, which includes reading back all data of the stores.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// The pause between two looks at the processes.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The running processes. Each is added when it starts, so that a stop in the middle of a start
/// stops all of them.
#[derive(Default)]
pub(super) struct Running {
    stores: Mutex<Vec<Arc<RedisServer>>>,
    services: Mutex<Vec<Member>>,
}

impl Running {
    pub(super) fn add_store(&self, store: Arc<RedisServer>) {
        locked(&self.stores).push(store);
    }

    pub(super) fn add_service(&self, service: Member) {
        locked(&self.services).push(service);
    }

    pub(super) fn services(&self) -> Vec<Member> {
        locked(&self.services).clone()
    }

    /// Waits until all services are ready. While a store waits for room on its disk, the wait has
    /// no limit.
    pub(super) async fn wait_ready(&self) -> Result<()> {
        let services = self.services();
        let is_patient = || {
            locked(&self.stores).iter().any(|store| store.only_reads())
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

    /// Restarts each store that ends, and each service that ends if `whole` says that all services
    /// were ready once. A service that ends before that has a fault of its own. Returns when a
    /// process would end again after every start, and answers why.
    pub(super) async fn keep(&self, whole: bool) -> String {
        let mut revival = Revival::default();
        loop {
            let stores = locked(&self.stores).clone();
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
}

impl Stop for Running {
    /// Stops the services first, all at the same time. The stores run until the services have
    /// drained.
    async fn stop(&self) {
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
        let stores = locked(&self.stores).clone();
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

    fn kill(&self) {
        locked(&self.services)
            .iter()
            .for_each(|member| member.process.kill());
        locked(&self.stores).iter().for_each(|store| store.kill());
    }
}
