//! The private system on which the story is played, and the checks of its state.

use std::future::Future;
use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use shared::redis::Redis;
use stack::binaries::Binaries;
use stack::credentials::User;
use stack::health;
use stack::redis::RedisServer;
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
        let store = |server: &RedisServer| -> Result<Redis> {
            let url = server.url(User::Operator).parse();
            Ok(Redis::worker(&url.map_err(anyhow::Error::msg)?))
        };
        Ok(Self {
            api: Api::new(system.inventory_url(), system.payments_url(), screen)?,
            inventory: store(system.inventory_redis())?,
            payments: store(system.payments_redis())?,
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
        let answer = self.api.call(request).await?.expect(StatusCode::CREATED)?;
        Ok(answer.text("id")?.to_owned())
    }

    /// Places an order, which must be accepted as pending.
    pub(super) async fn place(&self, product: &str, quantity: u32) -> Result<Answer> {
        let request = Request::place_order(product, quantity);
        let answer = self.api.call(request).await?.expect(StatusCode::CREATED)?;
        ensure!(
            answer.text("status")? == "pending",
            "a new order is {}, not pending",
            answer.text("status")?
        );
        Ok(answer)
    }

    /// Follows an order to its end, which must be `wanted`.
    pub(super) async fn follow(&self, order: &str, wanted: &str) -> Result<Life> {
        let life = self.api.follow(order, LIMIT).await?;
        let status = life.order.text("status")?;
        ensure!(status == wanted, "the order is {status}, not {wanted}");
        Ok(life)
    }

    /// Shows the stock of a product, which must be `wanted`.
    pub(super) async fn check_stock(&self, product: &str, wanted: u64) -> Result<()> {
        let answer = self.api.call(Request::product(product)).await?;
        let stock = answer.expect(StatusCode::OK)?.number("quantity")?;
        ensure!(stock == wanted, "the stock is {stock}, not {wanted}");
        Ok(())
    }

    /// The stock of a product, without showing it.
    pub(super) async fn stock(&self, product: &str) -> Result<u64> {
        let answer = self.api.ask(&Request::product(product)).await?;
        answer.expect(StatusCode::OK)?.number("quantity")
    }

    /// Repeats `probe` until it answers a value.
    pub(super) async fn until<T, F>(&self, what: &str, probe: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<Option<T>>>,
    {
        wait_for(what, LIMIT, || {
            let look = probe();
            async { look.await.transpose() }
        })
        .await?
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
