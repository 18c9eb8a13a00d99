//! What the probes of a process answer.

use stack::wait::eventually;

use super::{Answer, Shop};

impl Shop {
    /// The status of `/readyz` of a process.
    pub(crate) async fn readiness(&self, process: &str) -> u16 {
        self.readyz(process).await.status
    }

    /// Waits until `/readyz` of a process answers this status. Each answer is cached for a moment.
    pub(crate) async fn wait_readiness(&self, process: &str, status: u16) {
        let what = format!("{process} to say {status}");
        eventually(&what, async || self.readiness(process).await == status).await;
    }

    /// The answer of `/readyz` of a process, with the reasons.
    pub(crate) async fn readyz(&self, process: &str) -> Answer {
        self.probe(process, "readyz").await
    }

    /// The answer of a process to a probe.
    pub(crate) async fn probe(&self, process: &str, probe: &str) -> Answer {
        Answer::to(
            self.http
                .get(format!("{}/{probe}", self.system.url(process))),
        )
        .await
    }
}
