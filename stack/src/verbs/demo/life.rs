//! Follows an order to its end, as the client that placed it would.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use shared::contract::time::Timestamp;
use tokio::time::timeout;

use super::api::{Answer, Api};
use super::request::Request;

/// An order at its end.
pub(crate) struct Life {
    pub(crate) order: Answer,
    /// The ending in words, such as `paid, stock 10 -> 7`.
    pub(crate) ending: String,
}

impl Api {
    /// Waits until an order is final, and shows each step that led there.
    pub(crate) async fn follow(&self, id: &str, limit: Duration) -> Result<Life> {
        let wait = Request::final_order(id);
        self.show_request(&wait);
        let Ok(order) = timeout(limit, self.wait_final(&wait)).await else {
            let order = self.ask(&Request::order(id)).await?;
            bail!(
                "the order is still {} after {limit:?} (to be paid at {})",
                order.text("status")?,
                order.text("completes_at")?
            );
        };
        let order = order?;
        self.show_answer(&order);
        let timeline = Request::timeline(id);
        self.show_request(&timeline);
        let timeline = self.ask(&timeline).await?;
        let steps = timeline.list("steps")?;
        for step in steps {
            self.screen.moment(since(&steps[0], step), &told(step));
        }
        let ending = ending(order.text("status")?, steps);
        Ok(Life { order, ending })
    }

    /// Waits until the order is final. The service limits each wait, so a long wait takes several
    /// requests.
    async fn wait_final(&self, wait: &Request) -> Result<Answer> {
        loop {
            let order = self.ask(wait).await?;
            if order.is_final {
                return Ok(order);
            }
        }
    }
}

fn since(first: &Value, step: &Value) -> Duration {
    let at = |step: &Value| -> Option<Timestamp> { step["at"].as_str()?.parse().ok() };
    let millis = |step| at(step).map_or(0, Timestamp::as_millis);
    // The clocks of two stores may differ a little.
    Duration::from_millis(millis(step).saturating_sub(millis(first)))
}

/// A step of the order in one line.
fn told(step: &Value) -> String {
    let text = |pointer: &str| match step.pointer(pointer) {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let kind = text("/type");
    let kind = kind
        .strip_prefix("order.")
        .unwrap_or(&kind)
        .replace('.', " ");
    let mut details = Vec::new();
    if step.get("reason").is_some() {
        details.push(text("/reason"));
    }
    if step.get("event").is_some() {
        let [stream, entry] = ["/event/stream", "/event/entry_id"].map(text);
        details.push(format!("{stream} {entry}, {}", text("/event/delivery")));
    }
    if step.get("movement").is_some() {
        let [delta, balance] = ["/movement/delta", "/movement/balance"].map(text);
        details.push(format!(
            "{delta}, {balance} left, movement {}",
            text("/movement/id")
        ));
    }
    [vec![kind], details].concat().join(": ")
}

/// How the last step left the order.
fn ending(status: &str, steps: &[Value]) -> String {
    let last = steps.last().unwrap_or(&Value::Null);
    let movement = |field: &str| last["movement"][field].as_i64();
    if let (Some(delta), Some(balance)) = (movement("delta"), movement("balance")) {
        return format!("{status}, stock {} -> {balance}", balance - delta);
    }
    let reason = last["reason"].as_str();
    reason.map_or_else(|| status.to_owned(), |reason| format!("{status}: {reason}"))
}
