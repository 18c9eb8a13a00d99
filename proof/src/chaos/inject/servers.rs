//! Faults of the servers of the stores.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use stack::redis::Owner;
use stack::wait::wait_until;
use tokio::time::sleep;

use super::{Crash, Injector, PROCESS_LIMIT};
use crate::aof::Cut;
use crate::chaos::figures::Figure;
use crate::{aof, shim};

/// The time for which a killed store stays down.
const STORE_PAUSE: Duration = Duration::from_millis(50);

/// The key that is written to see whether a store takes changes. Services write it as well.
const PROBE: &str = "confirm:probe";

impl Injector {
    pub(super) async fn kill_store(&self, store: Owner, cut: Option<Cut>) -> Result<()> {
        let _turn = self.turn(store.name()).await;
        let server = self.server(store);
        let at = self.history.now();
        let fault = format!("SIGKILL {} store, cut: {cut:?}", store.name());
        self.history.note_fault(fault);
        server.kill();
        let over = self.history.now();
        if let Some(cut) = cut {
            let lost = aof::cut_tail(server, cut)?;
            self.tally.count(Figure::TailCuts);
            self.declare(|declared| declared.crashes.push(Crash { store, at, over }));
            self.history
                .note("lost", json!({"store": store.name(), "bytes": lost.bytes}));
        }
        sleep(STORE_PAUSE).await;
        server.restart().await?;
        self.tally.count(Figure::StoreKills);
        Ok(())
    }

    /// Fills the disk of a store for `time`. A store with `appendfsync always` ends at the first
    /// write that it cannot keep, and is started again.
    pub(super) async fn fill_disk(&self, store: Owner, time: Duration) -> Result<()> {
        let _turn = self.turn(store.name()).await;
        let server = self.server(store);
        self.history
            .note_fault(format!("disk of {} full", store.name()));
        let ended = self.fill_until_end(store).await;
        sleep(time).await;
        shim::fill_disk(server.dir(), false)?;
        if ended? {
            self.tally.count(Figure::DiskFull);
            server.restart().await?;
        }
        Ok(())
    }

    /// Fills the disk of a store until the store ends. The store is started while its disk is still
    /// full, as `run-all` does, and has to take changes by itself once the disk has room.
    pub(super) async fn end_store(&self, store: Owner, time: Duration) -> Result<()> {
        let _turn = self.turn(store.name()).await;
        let server = self.server(store);
        self.history
            .note_fault(format!("{} store ends", store.name()));
        let ended = self.fill_until_end(store).await;
        let restarted = server.restart().await;
        sleep(time).await;
        shim::fill_disk(server.dir(), false)?;
        restarted?;
        let changed = wait_until("the store to take changes again", PROCESS_LIMIT, || async {
            self.operators
                .to(store)
                .ask::<()>(&["SET", PROBE, ""])
                .await
                .is_ok()
        });
        changed.await?;
        if ended? {
            self.tally.count(Figure::StoreExits);
        }
        Ok(())
    }

    /// Fills the disk of a store, and answers whether the store ended.
    async fn fill_until_end(&self, store: Owner) -> Result<bool> {
        let server = self.server(store);
        shim::fill_disk(server.dir(), true)?;
        let ended = wait_until("the end of the store", PROCESS_LIMIT, || async {
            server.process().exit().is_some()
        });
        Ok(ended.await.is_ok())
    }
}
