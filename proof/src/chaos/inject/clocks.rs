//! What happens to the clocks of the stores.

use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use stack::redis::Owner;
use tokio::time::{sleep, timeout};

use super::Injector;
use crate::chaos::figures::Figure;
use crate::chaos::plan::Link;
use crate::proxy::Faults;
use crate::shim;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long the clock, and the link to the store, stay as they are once a consumer is ready: it sweeps at
/// its start.
const STAY: Duration = Duration::from_millis(500);
/// How long a consumer has to get ready while the clock is away, or was.
const READY_LIMIT: Duration = Duration::from_secs(5);

impl Injector {
    pub(super) fn jump_clock(&self, store: Owner, by: i64) -> Result<()> {
        self.move_clock(store, by)?;
        self.tally.count(Figure::ClockJumps);
        Ok(())
    }

    /// The consumers of the store start while its clock is days away, and once more when it is right again.
    /// Then the store restarts, so that the recent past is acted on again.
    pub(super) async fn long_jump(&self, store: Owner, days: i64) -> Result<()> {
        self.move_clock(store, days * DAY_MS)?;
        let restarted = self.restart_consumers(store).await;
        self.move_clock(store, -days * DAY_MS)?;
        restarted?;
        self.restart_consumers(store).await?;
        self.kill_store(store, None).await?;
        self.tally.count(Figure::LongJumps);
        Ok(())
    }

    fn move_clock(&self, store: Owner, by: i64) -> Result<()> {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = &mut offsets[usize::from(store == Owner::Payments)];
        *offset += by;
        shim::offset_clock(self.server(store).dir(), *offset)
    }

    /// No answer of the store is dropped meanwhile. A consumer sends hundreds of requests at its start, all
    /// over one connection: hardly ever would a sweep get through, and the next one comes minutes later.
    async fn restart_consumers(&self, store: Owner) -> Result<()> {
        let consumers = match store {
            Owner::Inventory => ["inventory consume", "inventory consume 2"],
            Owner::Payments => ["payments consume", "payments consume 2"],
        };
        for name in consumers {
            let link = Link::Owner(name, store);
            let _link_turn = self.turn(&link.to_string()).await;
            self.proxy(link).set(Faults::default());
            let restarted = self.restart_consumer(name).await;
            sleep(STAY).await;
            self.proxy(link).set(self.usual());
            restarted?;
        }
        Ok(())
    }

    async fn restart_consumer(&self, name: &str) -> Result<()> {
        let _turn = self.turn(name).await;
        self.running(name).await?.kill();
        self.tally.count(Figure::ServiceKills);
        self.running(name).await?;
        // Whether it gets ready depends on what else happens.
        timeout(READY_LIMIT, self.system.wait_process_ready(name))
            .await
            .ok();
        Ok(())
    }
}
