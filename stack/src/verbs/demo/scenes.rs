//! Four of the five scenes: an order is paid, refunded for two reasons, and cancelled.

use anyhow::{Result, ensure};
use reqwest::StatusCode;
use shared::contract::event::{OrderCompleted, RefundReason};
use tokio::time::sleep;

use super::request::Request;
use super::stage::{COMPLETION_DELAY, Stage};

/// An order that goes well.
pub(super) async fn buy(stage: &Stage) -> Result<String> {
    stage.say("There are 10 bags of coffee. A client orders 3.");
    let coffee = stage
        .create_product("Espresso beans 1 kg", "19.90", 10)
        .await?;
    let order = stage.place(&coffee, 3).await?;
    for member in [r#""price":19.90"#, r#""fee":11.94"#, r#""total":71.64"#] {
        ensure!(order.says(member), "the order does not say {member}");
    }
    let id = order.text("id")?;

    stage.say("It is final once payments has the money and inventory has taken the stock.");
    let life = stage.follow(id, "paid").await?;
    // Both times come from the clock of the store, and their texts sort like the times.
    ensure!(
        life.order.text("paid_at")? >= life.order.text("completes_at")?,
        "the order was paid before its time"
    );
    stage.check_stock(&coffee, 7).await?;
    stage.say("Payments told of it in the step in which it took the money. Inventory read that,");
    stage.say("took the stock, and acknowledged it.");
    let event = stage.completed(id).await?;
    ensure!(
        (event.quantity, event.total.to_string().as_str()) == (3, "71.64"),
        "the event does not say what the order says"
    );
    let pending = stage.pending().await?;
    stage.show_pending(&pending);
    ensure!(
        pending.count == 0,
        "an order was called final before its event was acknowledged"
    );
    Ok(life.ending)
}

/// An order of more than there is.
pub(super) async fn oversell(stage: &Stage) -> Result<String> {
    stage.say("There are 2 moka pots. A client orders 5, which is accepted: the event decides.");
    let pot = stage.create_product("Moka pot", "34.50", 2).await?;
    let order = stage.place(&pot, 5).await?;
    let id = order.text("id")?;
    refunded(stage, id, RefundReason::InsufficientStock).await?;
    stage.say("The stock was never touched.");
    stage.check_stock(&pot, 2).await?;
    Ok("paid, then refunded: insufficient_stock, stock still 2".to_owned())
}

/// An order whose product is gone by the time it is paid.
pub(super) async fn delete_in_flight(stage: &Stage) -> Result<String> {
    stage.say("There are 4 grinders. A client orders one ...");
    let grinder = stage.create_product("Hand grinder", "79.00", 4).await?;
    let order = stage.place(&grinder, 1).await?;
    let id = order.text("id")?;
    stage.say("... and before it is paid, the product is deleted.");
    stage.api.call(Request::delete_product(&grinder)).await?;
    refunded(stage, id, RefundReason::ProductNotFound).await?;
    let product = Request::product(&grinder).expecting(StatusCode::NOT_FOUND);
    stage.api.call(product).await?;
    Ok("paid, then refunded: product_not_found".to_owned())
}

/// An order that is withdrawn while it is pending.
pub(super) async fn cancel(stage: &Stage) -> Result<String> {
    stage.say("There are 6 cups. A client orders one, and thinks better of it.");
    let cup = stage.create_product("Espresso cup", "8.75", 6).await?;
    let order = stage.place(&cup, 1).await?;
    let id = order.text("id")?;
    let cancelled = stage.api.call(Request::cancel_order(id)).await?;
    cancelled.expect_text("status", "cancelled")?;

    stage.say("The time of payment passes, and nothing happens.");
    sleep(COMPLETION_DELAY + COMPLETION_DELAY / 3).await;
    let later = stage.api.call(Request::order(id)).await?;
    later.expect_text("status", "cancelled")?;
    ensure!(
        later.text("paid_at").is_err(),
        "the order was paid although it was cancelled"
    );
    let entries = stage.entries::<OrderCompleted>(&stage.payments, id).await?;
    ensure!(
        entries.is_empty(),
        "there is an event of an order that was cancelled"
    );
    stage.check_stock(&cup, 6).await?;
    Ok("cancelled, never paid, stock still 6".to_owned())
}

/// The order is paid, rejected by inventory, and ends refunded for `reason`.
async fn refunded(stage: &Stage, order: &str, reason: RefundReason) -> Result<()> {
    stage.say("It is paid, inventory cannot deliver, and the money goes back.");
    let refunded = stage.follow(order, "refunded").await?.order;
    refunded.expect_text("reason", reason.as_str())?;
    refunded.text("paid_at")?;
    stage.say("Two entries tell how: payments said that it was paid, inventory that it cannot be.");
    stage.completed(order).await?;
    let event = stage.refund(order).await?;
    ensure!(
        event.reason == reason,
        "the event says {}, not {reason}",
        event.reason
    );
    Ok(())
}
