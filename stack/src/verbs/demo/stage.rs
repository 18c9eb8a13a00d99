//! The private system on which the story is played, and the checks of its state.

use std::time::Duration;

use anyhow::{Result, ensure};
use shared::redis::Redis;
use stack::binaries::Binaries;
use stack::health;
use stack::redis::Owner;
use stack::role::Role;
use stack::system::System;
use stack::wait::wait_for;

use super::api::{Answer, Api};
use super::life::Life;
use super::request::Request;
use crate::verbs::screen::Screen;

/// The delay of orders: long enough to cancel an order on a busy machine, short enough to watch.
pub(super) const COMPLETION_DELAY: Duration = Duration::from_millis(1_500);
/// The limit of every wait. Each step takes 1 s or 2 s, so a step that takes this long has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// The system, seen from outside: its HTTP APIs, and its stores as an operator sees them.
pub(super) struct Stage {
    pub(super) api: Api,
    pub(super) system: System,
    /// The store of inventory.
    pub(super) inventory: Redis,
    /// The store of payments.
    pub(super) payments: Redis,
}

impl Stage {
    /// Starts the system and waits until it is ready.
    pub(super) async fn build(binaries: Binaries, screen: Screen) -> Result<Self> {
        let delay = format!("{}ms", COMPLETION_DELAY.as_millis());
        let system = System::builder()
            .binaries(binaries)
            .env("COMPLETION_DELAY", &delay)
            .env("RECLAIM_IDLE", "1s")
            .start()
            .await?;
        Ok(Self {
            api: Api::new(system.inventory_url(), system.payments_url(), screen)?,
            inventory: system.store(Owner::Inventory).operator()?,
            payments: system.store(Owner::Payments).operator()?,
            system,
        })
    }

    pub(super) fn say(&self, text: &str) {
        self.api.screen.say(text);
    }

    /// Creates a product and returns its id.
    pub(super) async fn create_product(
        &self,
        name: &str,
        price: &str,
        quantity: u64,
    ) -> Result<String> {
        let request = Request::create_product(name, price, quantity);
        let answer = self.api.call(request).await?;
        Ok(answer.text("id")?.to_owned())
    }

    /// Places an order, which must be accepted as pending.
    pub(super) async fn place(&self, product: &str, quantity: u32) -> Result<Answer> {
        let request = Request::place_order(product, quantity);
        let answer = self.api.call(request).await?;
        answer.expect_text("status", "pending")?;
        Ok(answer)
    }

    /// Follows an order to its end, which must be `wanted`.
    pub(super) async fn follow(&self, order: &str, wanted: &str) -> Result<Life> {
        let life = self.api.follow(order, LIMIT).await?;
        life.order.expect_text("status", wanted)?;
        Ok(life)
    }

    /// Shows the stock of a product, which must be `wanted`.
    pub(super) async fn check_stock(&self, product: &str, wanted: u64) -> Result<()> {
        let answer = self.api.call(Request::product(product)).await?;
        let stock = answer.number("quantity")?;
        ensure!(stock == wanted, "the stock is {stock}, not {wanted}");
        Ok(())
    }

    /// The stock of a product, without showing it.
    pub(super) async fn stock(&self, product: &str) -> Result<u64> {
        let answer = self.api.ask(&Request::product(product)).await?;
        answer.number("quantity")
    }

    /// Repeats `probe` until it answers a value.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        probe: impl AsyncFn() -> Result<Option<T>>,
    ) -> Result<T> {
        wait_for(what, LIMIT, || async { probe().await.transpose() }).await?
    }

    /// The last log lines of each process that has ended by itself, which say why it ended.
    pub(super) async fn obituaries(&self) -> Vec<String> {
        let mut obituaries = Vec::new();
        for role in Role::ALL {
            let process = self.system.process(role.name());
            if process.exit().is_some() {
                obituaries.push(health::obituary(&process).await);
            }
        }
        obituaries
    }
}
