//! The fifth scene: inventory's consumer is killed in the middle of its work.

use std::time::Duration;

use anyhow::{Result, ensure};
use shared::redis::Command;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::api::Api;
use super::request::Request;
use super::stage::Stage;
use super::streams::Pending;

const ORDERS: u64 = 200;
const STOCK: u64 = 1_000;
/// The pause between two orders. Orders that are placed one after the other are also paid one after
/// the other, so the consumer can be killed in the middle.
const ORDER_INTERVAL: Duration = Duration::from_millis(5);
/// The number of orders whose stock the consumer takes before it is killed.
const TAKEN: u64 = 50;
/// Entries that are still pending after this time are stuck, because the consumer does not get on.
const STUCK_AFTER: Duration = Duration::from_millis(200);
const CONSUMER: &str = "inventory consume";

/// Places many orders, and kills the consumer while some of their entries are pending.
pub(super) async fn kill_consumer(stage: &Stage) -> Result<String> {
    stage.say(&format!(
        "There are {STOCK} packs of filters, and {ORDERS} people order one each."
    ));
    let filters = stage
        .create_product("Coffee filters", "2.49", STOCK)
        .await?;
    let orders = place_orders(stage, &filters).await?;

    stage.say(&format!(
        "The consumer takes the stock of the first {TAKEN}. Then the store of inventory stalls,"
    ));
    stage.say("so that it has entries in hand, and that is when it is killed with SIGKILL.");
    let pending = kill_in_the_middle(stage, &filters).await?;
    ensure!(pending.count > 0, "nothing was pending after the kill");
    stage.show_pending(&pending);
    stage.say("Some of these may have taken their stock already; the consumer that knew is dead.");
    let left = stage.api.call(Request::product(&filters)).await?;
    let left = left.number("quantity")?;
    ensure!(
        (STOCK - ORDERS + 1..=STOCK - TAKEN).contains(&left),
        "the stock is {left}: that is not the middle of the work"
    );

    stage.say("It is started again, finds what it had in hand, and goes on with the rest.");
    recover(stage, &filters).await?;
    stage.check_stock(&filters, STOCK - ORDERS).await?;
    check_ledger(stage, &filters, &orders).await?;
    check_orders(stage, &orders).await?;
    Ok(format!(
        "{} pending at the kill, all {ORDERS} taken once, stock {STOCK} -> {}",
        pending.count,
        STOCK - ORDERS
    ))
}

/// Places all orders, the first of them shown, and returns their ids.
async fn place_orders(stage: &Stage, product: &str) -> Result<Vec<String>> {
    let first = stage.place(product, 1).await?.text("id")?.to_owned();
    let started = Instant::now();
    let (mut ticks, mut calls) = (interval(ORDER_INTERVAL), JoinSet::new());
    for _ in 1..ORDERS {
        ticks.tick().await;
        calls.spawn(place_order(stage.api.clone(), product.to_owned()));
    }
    let mut orders = vec![first];
    while let Some(order) = calls.join_next().await {
        orders.push(order??);
    }
    stage.say(&format!(
        "{} more calls like this one, within {:.1} s, were answered 201 Created.",
        ORDERS - 1,
        started.elapsed().as_secs_f64()
    ));
    Ok(orders)
}

async fn place_order(api: Api, product: String) -> Result<String> {
    let answer = api.ask(&Request::place_order(&product, 1)).await?;
    Ok(answer.text("id")?.to_owned())
}

/// Kills the consumer while entries are pending, and returns what is pending.
///
/// A random kill would rarely hit the moment between the effect and the acknowledgement. So the
/// store of inventory is frozen first, and the consumer waits for its answer. When the store goes
/// on, it may still execute the call of the dead consumer. That is the worst case: the effect is
/// stored, and the entry is not acknowledged.
async fn kill_in_the_middle(stage: &Stage, product: &str) -> Result<Pending> {
    stage
        .until("the first orders to be taken", || async {
            Ok((stage.stock(product).await? <= STOCK - TAKEN).then_some(()))
        })
        .await?;
    let store = stage.system.inventory_redis().process();
    store.pause();
    stage
        .until("entries in the hands of the consumer", || async {
            let before = stage.pending().await?;
            sleep(STUCK_AFTER).await;
            let after = stage.pending().await?;
            Ok((after.count > 0 && after == before).then_some(()))
        })
        .await?;
    stage.system.process(CONSUMER).kill();
    store.resume();
    stage.pending().await
}

async fn recover(stage: &Stage, product: &str) -> Result<()> {
    let started = Instant::now();
    stage.system.process(CONSUMER).restart()?;
    stage.system.wait_process_ready(CONSUMER).await?;
    let screen = &stage.api.screen;
    screen.moment(started.elapsed(), "the consumer is ready again");
    let pending = stage
        .until("everything to be taken and acknowledged", || async {
            let taken = stage.stock(product).await? <= STOCK - ORDERS;
            let pending = stage.pending().await?;
            Ok((taken && pending.count == 0).then_some(pending))
        })
        .await?;
    screen.moment(started.elapsed(), "everything is taken and acknowledged");
    stage.show_pending(&pending);
    Ok(())
}

/// Checks that the ledger of the product has exactly one sale for each order.
async fn check_ledger(stage: &Stage, product: &str, orders: &[String]) -> Result<()> {
    let key = format!("movements:{product}");
    let range = Command::new("XRANGE").key(key).arg("-").arg("+");
    let entries = stage.inventory.run(range).await?.entries()?;
    let fields = entries.iter().filter_map(|entry| entry.fields.as_ref());
    let mut sold: Vec<&[u8]> = fields
        .flatten()
        .filter(|(kind, _)| *kind == "sale")
        .filter_map(|(_, sale)| sale.rsplit(|byte| *byte == b' ').next())
        .collect();
    let mut ordered: Vec<&[u8]> = orders.iter().map(String::as_bytes).collect();
    sold.sort_unstable();
    ordered.sort_unstable();
    ensure!(
        sold == ordered,
        "the ledger has {} sales of {ORDERS} orders",
        sold.len()
    );
    stage.say(&format!(
        "The ledger of the product has {ORDERS} sales, one of each order."
    ));
    Ok(())
}

async fn check_orders(stage: &Stage, orders: &[String]) -> Result<()> {
    for order in orders {
        let answer = stage.api.ask(&Request::order(order)).await?;
        answer.expect_text("status", "paid")?;
    }
    stage.say(&format!("All {ORDERS} orders are paid."));
    Ok(())
}
