//! A consumer under test.

use shared::base::health::{Check, Progress, Readiness};
use shared::base::shutdown::Shutdown;
use shared::redis::Command;
use shared::store::Store;
use shared::stream::consumer::{Consumer, Settings};
use tokio::task::JoinSet;

use super::{LIMIT, Stores, partition};
use crate::script::Script;

/// A consumer that runs until it is stopped, or until it is dropped as if it had crashed.
pub(crate) struct Running {
    shutdown: Shutdown,
    readiness: Readiness,
    task: JoinSet<()>,
}

impl Stores {
    /// Starts a consumer with these settings, whose own store is `own`.
    pub(crate) fn consume_into(&self, own: Store, settings: &Settings, script: &Script) -> Running {
        let progress = Progress::stalled_after(self.stalled_after);
        let check = Check::progress("consumer", progress.clone());
        let identity = own.identity_text("test");
        let (identified, redis) = (
            Command::new("SET").arg("identity").arg(identity),
            self.operator.clone(),
        );
        let consumer = Consumer::new(script.clone(), own, partition(), settings, progress);
        let shutdown = Shutdown::new();
        let mut task = JoinSet::new();
        let stop = shutdown.clone();
        task.spawn(async move {
            redis.run(identified).await.unwrap();
            consumer.run(stop).await;
        });
        let readiness = Readiness::new(vec![check], Shutdown::new());
        Running {
            shutdown,
            readiness,
            task,
        }
    }
}

impl Running {
    /// Why the consumer is not ready; empty if it is ready.
    pub(crate) async fn failure(&self) -> String {
        self.readiness.failures().await.join("; ")
    }

    /// Tells the consumer to stop, and waits until it has ended.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(LIMIT, self.task.join_next()).await;
        ended.unwrap().unwrap().unwrap();
    }
}
