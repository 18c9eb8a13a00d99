//! Joins servers into one cluster.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{Cluster, LIMIT, SLOTS};
use crate::wait::wait_until;

/// The time for the nodes to know each other. After it they are introduced again.
const MEETING: Duration = Duration::from_secs(10);

impl Cluster {
    /// Joins the servers into one cluster.
    pub(super) async fn form(&self) -> Result<()> {
        for (number, node) in self.nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            node.tell::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await?;
            if number < self.primaries {
                let edge = |number: usize| SLOTS * number / self.primaries;
                let (first, last) = (edge(number).to_string(), (edge(number + 1) - 1).to_string());
                node.tell::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                    .await?;
            }
        }
        let count = self.nodes.len();
        wait_until("the nodes to know each other", LIMIT, || async {
            self.meet().await.is_ok()
        })
        .await?;
        for replica in self.primaries..count {
            let primary = self.view(replica % self.primaries).await?;
            let id = &primary.myself().context("a node without a name")?.id;
            self.nodes[replica]
                .tell::<()>(&["CLUSTER", "REPLICATE", id])
                .await?;
        }
        Ok(())
    }

    /// Introduces all nodes to the first node. On a busy machine a node may forget an introduction
    /// before it is answered, and does not repeat it.
    async fn meet(&self) -> Result<()> {
        for number in 1..self.nodes.len() {
            let view = self.view(number).await?;
            let me = view.myself().context("a node without a name")?;
            let (port, bus) = (me.port.to_string(), me.bus.to_string());
            self.nodes[0]
                .tell::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await?;
        }
        let count = self.nodes.len();
        wait_until("an answer to each introduction", MEETING, || async {
            for number in 0..count {
                if self.view(number).await.map_or(0, |view| view.acquainted()) != count {
                    return false;
                }
            }
            true
        })
        .await
    }
}
