//! `stack order`: places one order on the running system and shows what becomes of it.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use reqwest::StatusCode;
use shared::{config::Span, id::ProductId};
use stack::ports::Ports;
use tokio::time::{Instant, sleep};

use super::demo::{
    api::{Answer, Api},
    request::{Request, Service},
    screen::{Ink, Screen},
};

/// Pause between two looks at the order.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Args)]
pub(crate) struct Order {
    /// What to order [default: a new product, 10 pieces of it]
    #[arg(long, value_name = "ID")]
    product: Option<ProductId>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1)]
    quantity: u32,
    /// What run-all was given: added to every port
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// How long to wait for the end, such as 30s or 2m
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: Span,
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

/// An order to watch.
struct Watch<'a> {
    api: &'a Api,
    product: &'a str,
    stock_before: u64,
    timeout: Duration,
    started: Instant,
}

impl Order {
    pub(crate) fn run(self) -> Result<ExitCode> {
        tokio::runtime::Runtime::new()?.block_on(self.place_and_watch())?;
        Ok(ExitCode::SUCCESS)
    }

    async fn place_and_watch(self) -> Result<()> {
        let ports = Ports::standard(self.port_offset)?;
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let screen = Screen::new(self.no_color);
        let api = Api::new(url(ports.inventory_http), url(ports.payments_http), screen)?;
        check_running(&api, &ports, self.port_offset).await?;

        let product = self.product(&api).await?;
        let (id, stock_before) = (product.text("id")?, product.number("quantity")?);
        let request = Request::place_order(id, self.quantity);
        // From before the call: the order exists before its answer arrives.
        let started = Instant::now();
        let order = api.call(request).await?.expect(StatusCode::CREATED)?;
        let watch =
            Watch { api: &api, product: id, stock_before, timeout: self.timeout.0, started };
        watch.until_final(order).await
    }

    /// The product that was asked for, or a new one.
    async fn product(&self, api: &Api) -> Result<Answer> {
        if let Some(id) = self.product {
            let request = Request::product(&id.to_string());
            api.call(request).await?.expect(StatusCode::OK)
        } else {
            let request = Request::create_product("Espresso beans 1 kg", "19.90", 10);
            api.call(request).await?.expect(StatusCode::CREATED)
        }
    }
}

impl Watch<'_> {
    /// Shows each status until nothing more will happen: cancelled, refunded, or paid with the
    /// stock taken. That inventory has acted on a paid order shows in nothing but the stock.
    async fn until_final(&self, order: Answer) -> Result<()> {
        let screen = &self.api.screen;
        let request = Request::order(order.text("id")?);
        self.api.show_request(&request, "until it is final");
        let (mut order, mut last) = (order, String::new());
        loop {
            let status = order.text("status")?;
            if status != last {
                status.clone_into(&mut last);
                screen.moment(self.started.elapsed(), status);
            }
            if let Some(ending) = self.ending(&order).await? {
                self.api.show_answer(&order);
                screen.line(&screen.ink(Ink::Good, &ending));
                return Ok(());
            }
            if self.started.elapsed() >= self.timeout {
                bail!(
                    "the order is still {status} after {:?} (to be paid at {}); --timeout sets how long to wait",
                    self.timeout,
                    order.text("completes_at")?
                );
            }
            sleep(LOOK_INTERVAL).await;
            order = self.api.ask(&request).await?.expect(StatusCode::OK)?;
        }
    }

    /// How the order ended, if it has.
    async fn ending(&self, order: &Answer) -> Result<Option<String>> {
        Ok(match order.text("status")? {
            "refunded" => Some(format!("refunded: {}", order.text("reason")?)),
            "cancelled" => Some("cancelled".to_owned()),
            "paid" => {
                let stock = self.api.ask(&Request::product(self.product)).await?;
                // A product that was deleted has none; the refund is on its way.
                let stock = stock.number("quantity").unwrap_or(self.stock_before);
                let before = self.stock_before;
                (stock != before).then(|| format!("paid, stock {before} -> {stock}"))
            }
            _ => None,
        })
    }
}

/// One line and a command, instead of an error of the network.
async fn check_running(api: &Api, ports: &Ports, offset: u16) -> Result<()> {
    let (inventory, payments) =
        tokio::join!(api.is_ready(Service::Inventory), api.is_ready(Service::Payments));
    let flag = match offset {
        0 => String::new(),
        offset => format!(" --port-offset {offset}"),
    };
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
