//! How clients follow orders: live streams, long polls and timelines.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use shared::contract::id::OrderId;
use stack::events::{Events, ServerEvent};

use super::{Answer, LIMIT, Shop};

/// A client reads its stream for longer than any answer takes.
const STREAM_LIMIT: Duration = LIMIT.saturating_mul(10);

/// One event of a live stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// The value for `Last-Event-ID`.
    pub(crate) mark: String,
    /// The kind, such as `order.paid`.
    pub(crate) kind: String,
    /// The body.
    pub(crate) body: Value,
}

impl Told {
    /// The id of the order or product.
    pub(crate) fn id(&self) -> &str {
        self.body["id"].as_str().unwrap()
    }
}

impl From<ServerEvent> for Told {
    fn from(ServerEvent { id, event, data }: ServerEvent) -> Self {
        let body = serde_json::from_str(&data).unwrap();
        Self {
            mark: id,
            kind: event,
            body,
        }
    }
}

impl Shop {
    /// Opens the live stream at this path of a process, after the event `last` if there is one.
    pub(crate) async fn follow(&self, process: &str, path: &str, last: Option<&str>) -> Events {
        let url = format!("{}{path}", self.system.url(process));
        let request = self.http.get(url).timeout(STREAM_LIMIT);
        let request = last.into_iter().fold(request, |request, last| {
            request.header("last-event-id", last)
        });
        Events::open(request).await.unwrap()
    }

    /// Follows all orders from now on.
    pub(crate) async fn follow_orders(&self) -> Events {
        self.follow("payments serve", "/orders/stream", None).await
    }

    /// Follows all products from now on.
    pub(crate) async fn follow_products(&self) -> Events {
        self.follow("inventory serve", "/products/stream", None)
            .await
    }

    /// Sends a long poll, and waits until the order is final or the time is up.
    pub(crate) async fn wait_final(&self, id: OrderId, seconds: u64) -> Answer {
        let path = format!("/orders/{id}?wait=final&timeout={seconds}");
        Answer::to(self.to_payments(Method::GET, &path))
            .await
            .expect(200)
    }

    /// Waits until all these orders are final.
    pub(crate) async fn wait_all_final(&self, orders: &[OrderId]) {
        let waits = orders.iter().map(|&id| self.wait_final(id, 30));
        for answer in join_all(waits).await {
            assert_eq!(answer.header("order-final"), "true", "{answer:?}");
        }
    }

    /// The timeline of an order.
    pub(crate) async fn timeline(&self, id: OrderId) -> Value {
        let request = self.to_payments(Method::GET, &format!("/orders/{id}/timeline"));
        Answer::to(request).await.expect(200).json()
    }
}

/// The next event. The test fails if the stream ends.
pub(crate) async fn next(events: &mut Events) -> Told {
    let event = events.next(LIMIT).await.unwrap();
    event.expect("the stream has ended").into()
}

/// The next `count` events.
pub(crate) async fn take(events: &mut Events, count: usize) -> Vec<Told> {
    let mut taken = Vec::with_capacity(count);
    while taken.len() < count {
        taken.push(next(events).await);
    }
    taken
}

/// All events that are left on a stream whose process is dead.
pub(crate) async fn rest(mut events: Events) -> Vec<Told> {
    let mut rest = Vec::new();
    // The connection may end in the middle of an event, or with an error.
    while let Ok(Some(event)) = events.next(LIMIT).await {
        rest.push(event.into());
    }
    rest
}

/// The kinds of the events about one order or product, in the order in which they came.
pub(crate) fn kinds_of<'a>(told: &'a [Told], id: &str) -> Vec<&'a str> {
    let about = told.iter().filter(|told| told.id() == id);
    about.map(|told| told.kind.as_str()).collect()
}

/// The steps of a timeline.
pub(crate) fn steps(timeline: &Value) -> Vec<&str> {
    let steps = timeline["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["type"].as_str().unwrap())
        .collect()
}
