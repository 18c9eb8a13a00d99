//! What the functions of payments do, as a person would say it. Each method is one function: what it
//! answers, and what is different afterwards. Times are numbers of steps.

use std::collections::BTreeMap;

use payments::domain::OrderStatus;
use shared::event::{OrderCompleted, RefundReason};
use shared::id::OrderId;
use shared::time::Timestamp;
use stack::twin::claim::Claims;
use stack::twin::{Answer, Beginning, pattern};

use super::request::{Asked, Cancel, Complete, EmitAgain, Place, Refund};

/// How far the time inside an id may be from the clock of the store.
const MAX_SKEW_MS: u64 = 24 * 60 * 60 * 1_000;
const DONE: i64 = 1;

/// All that payments knows.
pub(crate) struct Model {
    pub(crate) beginning: Beginning,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    /// The fields of each event that was emitted.
    pub(crate) events: Vec<Vec<(String, String)>>,
    /// What whoever watches was told in one step: a kind, and the orders.
    pub(crate) changes: Vec<(&'static str, Vec<OrderId>)>,
    pub(crate) claims: Claims,
    /// What was charged and refunded in all, in minor units.
    pub(crate) charged: u64,
    pub(crate) refunded: u64,
}

pub(crate) struct Order {
    pub(crate) placed: Place,
    pub(crate) status: OrderStatus,
    pub(crate) created: usize,
    pub(crate) cancelled: Option<usize>,
    pub(crate) paid: Option<Payment>,
    pub(crate) refunded: Option<Refunded>,
}

/// When an order was paid, and the place of its event.
pub(crate) struct Payment {
    pub(crate) at: usize,
    pub(crate) event: usize,
}

pub(crate) struct Refunded {
    pub(crate) at: usize,
    pub(crate) reason: RefundReason,
    pub(crate) entry: String,
}

impl Model {
    pub(crate) fn place_order(&mut self, step: usize, request: &Place) -> Answer {
        if let Some(order) = self.orders.get(&request.id) {
            return order.times();
        }
        if let Some(answer) = self.claims.replay(request.claim.as_ref()) {
            return answer;
        }
        if request.minted_at.abs_diff(self.beginning.now_ms) > MAX_SKEW_MS {
            return Answer::Refused("CLOCK");
        }
        let order = Order {
            placed: request.clone(),
            status: OrderStatus::Pending,
            created: step,
            cancelled: None,
            paid: None,
            refunded: None,
        };
        let times = order.times();
        self.orders.insert(request.id, order);
        self.claims.remember(request.claim.as_ref(), request.id);
        self.changes.push(("order.created", vec![request.id]));
        times
    }

    pub(crate) fn complete_due(&mut self, step: usize, request: &Complete) -> Answer {
        // No time passes in a history, so what is due is what had no delay.
        let due: Vec<OrderId> =
            self.waiting().filter(|order| order.is_due()).map(Order::id).collect();
        let paid: Vec<OrderId> = due.into_iter().take(request.limit).collect();
        for &id in &paid {
            self.pay(step, id);
        }
        self.changes.push(("order.paid", paid.clone()));
        let wait = match self.waiting().next() {
            None => Answer::Number(-1),
            Some(next) if next.is_due() => Answer::Number(0),
            Some(next) => Answer::Text(pattern::until(next.created, next.placed.delay_ms, step)),
        };
        let count = Answer::Number(i64::try_from(paid.len()).unwrap());
        let ids = paid.into_iter().map(|id| Answer::Text(id.to_string()));
        Answer::List([count, wait].into_iter().chain(ids).collect())
    }

    pub(crate) fn cancel_order(&mut self, step: usize, request: &Cancel) -> Answer {
        if let Some(answer) = self.claims.replay(request.claim.as_ref()) {
            return answer;
        }
        let Some(order) = self.orders.get_mut(&request.id) else {
            return codes(&[DONE, 0]);
        };
        match order.status {
            OrderStatus::Pending => {
                order.status = OrderStatus::Cancelled;
                order.cancelled = Some(step);
                self.claims.remember(request.claim.as_ref(), request.id);
                self.changes.push(("order.cancelled", vec![request.id]));
                codes(&[DONE, 1])
            }
            OrderStatus::Cancelled => codes(&[DONE, 1]),
            OrderStatus::Paid | OrderStatus::Refunded => codes(&[DONE, 3]),
        }
    }

    pub(crate) fn refund_orders(&mut self, step: usize, request: &Refund) -> Answer {
        let answers = request.orders.iter().map(|asked| self.refund_order(step, asked));
        let answers: Vec<i64> = answers.collect();
        let refunded = request.orders.iter().zip(&answers).filter(|(_, answer)| **answer == DONE);
        self.changes.push(("order.refunded", refunded.map(|(asked, _)| asked.id).collect()));
        codes(&answers)
    }

    fn refund_order(&mut self, step: usize, asked: &Asked) -> i64 {
        let Some(order) = self.orders.get_mut(&asked.id) else {
            return 0;
        };
        match order.status {
            OrderStatus::Paid => {
                order.status = OrderStatus::Refunded;
                let (reason, entry) = (asked.reason, asked.entry.clone());
                order.refunded = Some(Refunded { at: step, reason, entry });
                self.refunded += order.placed.quote.total.as_minor();
                1
            }
            OrderStatus::Refunded => 2,
            OrderStatus::Pending | OrderStatus::Cancelled => 3,
        }
    }

    /// Inventory is told once more of the same payment; its event is the last entry from then on.
    pub(crate) fn emit_again(&mut self, request: &EmitAgain) -> Answer {
        let Some(order) = self.orders.get_mut(&request.id) else {
            return Answer::Number(0);
        };
        let (OrderStatus::Paid, Some(payment)) = (order.status, &mut order.paid) else {
            return Answer::Number(0);
        };
        payment.event = self.events.len();
        let at = payment.at;
        self.events.push(order.event(at));
        Answer::Number(1)
    }

    pub(crate) fn read_account(&self, step: usize) -> Answer {
        let sums = [self.charged, self.refunded].map(|sum| sum.to_string());
        Answer::List([pattern::at(step, 0)].into_iter().chain(sums).map(Answer::Text).collect())
    }

    /// Pending orders, the next one first. Ids are in the order in which they were placed.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Order> {
        let pending = |order: &&Order| order.status == OrderStatus::Pending;
        let mut waiting: Vec<&Order> = self.orders.values().filter(pending).collect();
        waiting.sort_by_key(|order| (order.placed.delay_ms, order.created));
        waiting.into_iter()
    }

    fn pay(&mut self, step: usize, id: OrderId) {
        let order = self.orders.get_mut(&id).unwrap();
        order.status = OrderStatus::Paid;
        order.paid = Some(Payment { at: step, event: self.events.len() });
        self.events.push(order.event(step));
        self.charged += order.placed.quote.total.as_minor();
    }
}

impl Order {
    fn id(&self) -> OrderId {
        self.placed.id
    }

    fn is_due(&self) -> bool {
        self.placed.delay_ms == 0
    }

    /// When it was placed, and when it is due.
    fn times(&self) -> Answer {
        let times = [0, self.placed.delay_ms].map(|later| pattern::at(self.created, later));
        let [created, due] = times.map(Answer::Text);
        Answer::List(vec![Answer::Number(DONE), created, due])
    }

    fn event(&self, step: usize) -> Vec<(String, String)> {
        let Place { id, wanted, quote, context, .. } = &self.placed;
        let event = OrderCompleted {
            order_id: *id,
            ordered_at: Timestamp::from_millis(self.placed.minted_at),
            product_id: wanted.product_id,
            quantity: wanted.quantity,
            price: quote.price,
            fee: quote.fee,
            total: quote.total,
            time: Timestamp::from_millis(0),
            traceparent: context.traceparent.clone(),
            request_id: context.request_id.clone(),
        };
        pattern::event(&event, step)
    }
}

fn codes(codes: &[i64]) -> Answer {
    Answer::List(codes.iter().copied().map(Answer::Number).collect())
}
