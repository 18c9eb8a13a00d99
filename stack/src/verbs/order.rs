//! `stack order`: places one order on the running system and shows it until it is final.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use shared::base::config::Span;
use shared::contract::id::ProductId;
use stack::ports::{Ports, offset_flag};

use super::demo::api::{Answer, Api};
use super::demo::request::{Request, Service};
use crate::verbs::screen::{Ink, Screen};

#[derive(Args)]
pub(crate) struct Order {
    /// The product to order [default: a new product with a stock of 10]
    #[arg(long, value_name = "ID")]
    product: Option<ProductId>,
    /// The number of pieces
    #[arg(long, value_name = "N", default_value_t = 1)]
    quantity: u32,
    /// The port offset of run-all, which is added to every port
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// How long to wait until the order is final, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: Span,
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

impl Order {
    pub(crate) fn run(self) -> Result<ExitCode> {
        stack::runtime()?.block_on(self.place_and_follow())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn place_and_follow(self) -> Result<()> {
        let ports = Ports::standard(self.port_offset)?;
        let screen = Screen::new(self.no_color);
        let api = api(&ports, screen)?;
        check_running(&api, &ports, self.port_offset).await?;

        let product = self.product(&api).await?;
        let request = Request::place_order(product.text("id")?, self.quantity);
        let order = api.call(request).await?;
        let life = api.follow(order.text("id")?, self.timeout.0).await?;
        screen.line(&screen.ink(Ink::Good, &life.ending));
        Ok(())
    }

    /// The product that was asked for, or a new one.
    async fn product(&self, api: &Api) -> Result<Answer> {
        api.call(match self.product {
            Some(id) => Request::product(&id.to_string()),
            None => Request::create_product("Espresso beans 1 kg", "19.90", 10),
        })
        .await
    }
}

/// A client of the services on these ports.
pub(super) fn api(ports: &Ports, screen: Screen) -> Result<Api> {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    Api::new(url(ports.inventory_http), url(ports.payments_http), screen)
}

/// Checks that the system runs. If not, the error is one line with the command that starts it,
/// instead of a network error.
pub(super) async fn check_running(api: &Api, ports: &Ports, offset: u16) -> Result<()> {
    let (inventory, payments) = tokio::join!(
        api.is_ready(Service::Inventory),
        api.is_ready(Service::Payments)
    );
    let flag = offset_flag(offset);
    for (ready, name, port) in [
        (inventory, "inventory", ports.inventory_http),
        (payments, "payments", ports.payments_http),
    ] {
        match ready {
            Some(true) => {}
            Some(false) => bail!("{name} on port {port} is not ready; try again in a moment"),
            None => bail!(
                "the system is not running, {name} does not answer on port {port}; start it with: cargo run-all{flag}"
            ),
        }
    }
    Ok(())
}
