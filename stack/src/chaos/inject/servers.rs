//! What happens to the servers of the stores.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;

use super::{Crash, Injector, PROCESS_LIMIT};
use crate::{
    chaos::figures::Figure,
    redis::{Cut, Store},
    wait::wait_until,
};

/// How long a store stays down.
const STORE_PAUSE: Duration = Duration::from_millis(50);

impl Injector {
    pub(super) async fn kill_store(&self, store: Store, cut: Option<Cut>) -> Result<()> {
        let _turn = self.turn(store.name()).await;
        let server = self.server(store);
        let at = self.history.now();
        let fault = format!("SIGKILL {} store, cut: {cut:?}", store.name());
        self.history.note("fault", json!({"fault": fault}));
        server.kill();
        let over = self.history.now();
        if let Some(cut) = cut {
            let lost = server.cut_tail(cut)?;
            self.tally.count(Figure::TailCuts);
            self.declare(|declared| declared.crashes.push(Crash { store, at, over }));
            self.history.note("lost", json!({"store": store.name(), "bytes": lost.bytes}));
        }
        sleep(STORE_PAUSE).await;
        server.restart().await?;
        self.tally.count(Figure::StoreKills);
        Ok(())
    }

    /// A store that may not lose anything ends at the first write it cannot keep.
    pub(super) async fn fill_disk(&self, store: Store, time: Duration) -> Result<()> {
        let _turn = self.turn(store.name()).await;
        let server = self.server(store);
        self.history.note("fault", json!({"fault": format!("disk of {} full", store.name())}));
        server.fill_disk(true)?;
        let ended = wait_until("the end of the store", PROCESS_LIMIT, || async {
            server.process().exit().is_some()
        });
        let ended = ended.await;
        sleep(time).await;
        server.fill_disk(false)?;
        if ended.is_ok() {
            self.tally.count(Figure::DiskFull);
            server.restart().await?;
        }
        Ok(())
    }
}
