//! A consumer under test.

use shared::base::health::Readiness;
use shared::base::shutdown::Shutdown;
use tokio::task::JoinSet;

use super::LIMIT;

/// A consumer that runs until it is stopped in order, or dropped as if it had crashed.
pub(crate) struct Running {
    pub(super) shutdown: Shutdown,
    pub(super) readiness: Readiness,
    pub(super) task: JoinSet<()>,
}

impl Running {
    /// Why it is not ready; nothing if it is.
    pub(crate) async fn failure(&self) -> String {
        self.readiness.failures().await.join("; ")
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(LIMIT, self.task.join_next()).await;
        ended.unwrap().unwrap().unwrap();
    }
}
