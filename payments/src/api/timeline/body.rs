//! The body of a timeline, and the steps in it.

use poem_openapi::Object;
use poem_openapi::types::Example;
use serde::Serialize;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestId, TraceParent};
use shared::stream::entry_state::EntryState;

use crate::api::body::StatusBody;
use crate::domain::Order;
use crate::inventory_client::Movement;

/// The life of an order.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Timeline", skip_serializing_if_is_none, example)]
pub(super) struct TimelineBody {
    /// The order.
    order_id: OrderId,
    /// The state of the order.
    status: StatusBody,
    /// The id of the request that placed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// The trace of that request.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    /// What happened, each step after its cause. Times are those of the store that took the step.
    steps: Vec<StepBody>,
    /// What is missing, and why. `store`: the state of the events could not be read. `inventory`:
    /// inventory could not be asked for the movement of stock. `record`: the order is so old that
    /// inventory may have forgotten its movement. Empty when nothing is missing.
    degraded: Vec<String>,
}

/// A step in the life of an order.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Step", skip_serializing_if_is_none, example)]
struct StepBody {
    /// `order.created`, `order.paid`, `stock.taken`, `order.cancelled` or `order.refunded`.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// When the step was taken.
    at: Timestamp,
    /// Why the order was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The event between the services that belongs to the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<EventBody>,
    /// The movement by which inventory took the stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    movement: Option<StepMovement>,
}

/// An event between the services.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "StepEvent", skip_serializing_if_is_none, example)]
struct EventBody {
    /// `ce_id` of the event.
    id: String,
    /// The stream that carried it.
    stream: String,
    /// Its entry in that stream.
    entry_id: String,
    /// The consumer group that acts on it.
    group: String,
    /// `waiting` (no consumer was given it yet), `pending` (a consumer has it), `acknowledged`
    /// (inventory or payments acted on it) or `unknown`.
    delivery: String,
    /// How often it was given to a consumer: 0 while it waits. Absent once it is acknowledged,
    /// because Redis keeps the count only until then. It was given at least once.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliveries: Option<u64>,
}

/// The movement by which inventory took the stock.
#[derive(Debug, Serialize, Object)]
#[oai(example)]
struct StepMovement {
    /// The id of the movement.
    id: String,
    /// The change of the stock in pieces; negative where pieces left it.
    delta: i64,
    /// Pieces on hand after the movement.
    balance: u64,
}

impl TimelineBody {
    /// `state` is the state of the event that reported the payment. `movement` took the stock.
    pub(super) fn new(
        order: &Order,
        state: EntryState,
        movement: Option<Movement>,
        degraded: Vec<String>,
    ) -> Self {
        let trail = &order.trail;
        let trace_id = trail.traceparent.as_ref().map(TraceParent::trace_id);
        Self {
            order_id: order.id,
            status: order.status.into(),
            request_id: trail.request_id.as_ref().map(ToString::to_string),
            trace_id: trace_id.map(str::to_owned),
            steps: steps(order, state, movement),
            degraded,
        }
    }
}

fn steps(order: &Order, state: EntryState, movement: Option<Movement>) -> Vec<StepBody> {
    let completed = event::<OrderCompleted>(
        order.trail.completed_entry.as_deref(),
        format!("{}:completed", order.id),
        state,
    );
    // The event was acted on, or the order would not be refunded.
    let refund = event::<RefundOrder>(
        order.trail.refund_entry.as_deref(),
        format!("{}:refund", order.id),
        EntryState::Acknowledged,
    );
    let paid = order.paid_at.map(|at| StepBody {
        event: completed,
        ..step("order.paid", at)
    });
    let taken = movement.map(
        |Movement {
             id,
             delta,
             balance,
             at,
         }| StepBody {
            movement: Some(StepMovement { id, delta, balance }),
            ..step("stock.taken", at)
        },
    );
    let cancelled = order.cancelled_at.map(|at| step("order.cancelled", at));
    let refunded = order.refunded_at.map(|at| StepBody {
        reason: order.reason.map(|reason| reason.to_string()),
        event: refund,
        ..step("order.refunded", at)
    });
    let created = Some(step("order.created", order.created_at));
    [created, paid, taken, cancelled, refunded]
        .into_iter()
        .flatten()
        .collect()
}

fn step(kind: &str, at: Timestamp) -> StepBody {
    StepBody {
        kind: kind.to_owned(),
        at,
        reason: None,
        event: None,
        movement: None,
    }
}

fn event<E: Event>(entry_id: Option<&str>, id: String, state: EntryState) -> Option<EventBody> {
    let (delivery, deliveries) = match state {
        EntryState::Waiting => ("waiting", Some(0)),
        EntryState::Pending { deliveries } => ("pending", Some(deliveries)),
        EntryState::Acknowledged => ("acknowledged", None),
        EntryState::Unknown => ("unknown", None),
    };
    Some(EventBody {
        id,
        stream: E::STREAM.to_owned(),
        entry_id: entry_id?.to_owned(),
        group: E::GROUP.to_owned(),
        delivery: delivery.to_owned(),
        deliveries,
    })
}

impl Example for TimelineBody {
    fn example() -> Self {
        let taken = StepBody {
            movement: Some(StepMovement::example()),
            ..step("stock.taken", Timestamp::EXAMPLE)
        };
        Self {
            order_id: OrderId::EXAMPLE,
            status: StatusBody::Paid,
            request_id: Some(RequestId::example().to_string()),
            trace_id: Some(TraceParent::example().trace_id().to_owned()),
            steps: vec![
                step("order.created", Timestamp::EXAMPLE),
                StepBody::example(),
                taken,
            ],
            degraded: Vec::new(),
        }
    }
}

impl Example for StepBody {
    fn example() -> Self {
        Self {
            event: Some(EventBody::example()),
            ..step("order.paid", Timestamp::EXAMPLE)
        }
    }
}

impl Example for EventBody {
    fn example() -> Self {
        Self {
            id: format!("{}:completed", OrderId::EXAMPLE),
            stream: OrderCompleted::STREAM.to_owned(),
            entry_id: format!("{}-0", Timestamp::EXAMPLE.as_millis()),
            group: OrderCompleted::GROUP.to_owned(),
            delivery: "acknowledged".to_owned(),
            deliveries: None,
        }
    }
}

impl Example for StepMovement {
    fn example() -> Self {
        let id = format!("{}-1", Timestamp::EXAMPLE.as_millis());
        Self {
            id,
            delta: -2,
            balance: 40,
        }
    }
}
