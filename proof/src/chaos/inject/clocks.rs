//! What happens to the clocks of the stores.

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
/// The time for which the clock and the links stay as they are after a consumer is ready: the
/// consumer sweeps old data at its start.
const STAY: Duration = Duration::from_millis(500);
/// The longest wait for a restarted consumer to be ready.
const READY_LIMIT: Duration = Duration::from_secs(5);

impl Injector {
    pub(super) fn jump_clock(&self, store: Owner, by: i64) -> Result<()> {
        self.move_clock(store, by)?;
        self.tally.count(Figure::ClockJumps);
        Ok(())
    }

    /// Moves the clock of a store by days, restarts the consumers of the store, sets the clock
    /// right, and restarts the consumers again. Then it restarts the store, so that consumers
    /// replay the recent past.
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
        let mut offsets = stack::locked(&self.offsets);
        let offset = &mut offsets[usize::from(store == Owner::Payments)];
        *offset += by;
        shim::offset_clock(self.server(store).dir(), *offset)
    }

    /// Restarts the consumers of the store. No answer of the store is dropped meanwhile: a starting
    /// consumer sends hundreds of requests over one connection. With dropped answers a sweep would
    /// hardly ever succeed, and the next sweep comes minutes later.
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
        // Another fault may keep the consumer from getting ready, so this is no error.
        timeout(READY_LIMIT, self.system.wait_process_ready(name))
            .await
            .ok();
        Ok(())
    }
}
