//! What happens to the clocks of the stores.

use std::{sync::PoisonError, time::Duration};

use anyhow::Result;
use tokio::time::sleep;

use super::Injector;
use crate::{chaos::figures::Figure, redis::Store};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How long a clock stays days away once the consumers are ready: they sweep at their start.
const STAY: Duration = Duration::from_secs(1);

impl Injector {
    pub(super) fn jump_clock(&self, store: Store, by: i64) -> Result<()> {
        self.move_clock(store, by)?;
        self.tally.count(Figure::ClockJumps);
        Ok(())
    }

    /// The consumers of the store start while its clock is days away, and once more when it is right again.
    /// Then the store restarts, so that the recent past is acted on again.
    pub(super) async fn long_jump(&self, store: Store, days: i64) -> Result<()> {
        self.move_clock(store, days * DAY_MS)?;
        let restarted = self.restart_consumers(store).await;
        sleep(STAY).await;
        self.move_clock(store, -days * DAY_MS)?;
        restarted?;
        self.restart_consumers(store).await?;
        self.kill_store(store, None).await?;
        self.tally.count(Figure::LongJumps);
        Ok(())
    }

    fn move_clock(&self, store: Store, by: i64) -> Result<()> {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = &mut offsets[usize::from(store == Store::Payments)];
        *offset += by;
        self.server(store).offset_clock(*offset)
    }

    async fn restart_consumers(&self, store: Store) -> Result<()> {
        let consumers = match store {
            Store::Inventory => ["inventory consume", "inventory consume 2"],
            Store::Payments => ["payments consume", "payments consume 2"],
        };
        for name in consumers {
            let _turn = self.turn(name).await;
            self.running(name).await?.kill();
            self.tally.count(Figure::ServiceKills);
            self.running(name).await?;
            // Whether it gets ready depends on what else happens.
            self.system.wait_process_ready(name).await.ok();
        }
        Ok(())
    }
}
