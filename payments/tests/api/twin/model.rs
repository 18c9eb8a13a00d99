//! What the functions of payments do. Each method is one function: its answer, and its changes.
//! Times are numbers of steps.

use std::collections::BTreeMap;

use payments::domain::OrderStatus;
use proof::twin::claim::Claims;
use proof::twin::{Answer, Beginning, pattern};
use shared::contract::id::OrderId;

use super::order::{Order, Payment, Refunded, Together};
use super::request::{Asked, Cancel, Complete, EmitAgain, Place, PlaceAll, Refund};

/// How far the time in an id may differ from the clock of the store.
const MAX_SKEW_MS: u64 = 24 * 60 * 60 * 1_000;
const DONE: i64 = 1;

/// All data of payments.
pub(crate) struct Model {
    pub(crate) beginning: Beginning,
    pub(crate) orders: BTreeMap<OrderId, Order>,
    /// All orders, in the order in which they were placed.
    pub(crate) placed: Vec<Together>,
    /// The orders that are pending.
    pub(crate) due: Vec<Together>,
    /// The fields of each event.
    pub(crate) events: Vec<Vec<(String, String)>>,
    /// What clients that watch were told in one step: a kind, and orders.
    pub(crate) changes: Vec<(&'static str, Vec<OrderId>)>,
    pub(crate) claims: Claims,
    /// The sum of all charges and of all refunds, in minor units.
    pub(crate) charged: u64,
    pub(crate) refunded: u64,
}

impl Model {
    pub(crate) fn place_orders(&mut self, step: usize, request: &PlaceAll) -> Answer {
        let mut answers = vec![Answer::Text(pattern::at(step, 0))];
        let mut placed = Vec::new();
        for place in &request.orders {
            answers.push(self.place_order(step, place, request.delay_ms, &mut placed));
        }
        if !placed.is_empty() {
            self.changes.push(("order.created", placed.clone()));
            let together = Together {
                placed: step,
                delay_ms: request.delay_ms,
                ids: placed,
            };
            self.placed.push(together.clone());
            self.due.push(together);
        }
        Answer::List(answers)
    }

    fn place_order(
        &mut self,
        step: usize,
        request: &Place,
        delay_ms: u64,
        placed: &mut Vec<OrderId>,
    ) -> Answer {
        if placed.contains(&request.id) {
            return Answer::Number(1);
        }
        if let Some(order) = self.orders.get(&request.id) {
            return order.times();
        }
        match self.claims.replay(request.claim.as_ref()) {
            Some(Answer::List(items)) => return joined(&items),
            Some(other) => return other,
            None => {}
        }
        if request.minted_at.abs_diff(self.beginning.now_ms) > MAX_SKEW_MS {
            return Answer::Number(5);
        }
        let order = Order {
            placed: request.clone(),
            delay_ms,
            status: OrderStatus::Pending,
            created: step,
            cancelled: None,
            paid: None,
            refunded: None,
        };
        self.orders.insert(request.id, order);
        self.claims
            .remember_order(request.claim.as_ref(), request.id);
        placed.push(request.id);
        Answer::Number(1)
    }

    /// Orders of one call are paid together.
    pub(crate) fn complete_due(&mut self, step: usize, request: &Complete) -> Answer {
        // No time passes in a history, so only orders without delay are due.
        let (mut paid, mut removed) = (Vec::new(), 0);
        while let Some(together) = self.next_due()
            && together.delay_ms == 0
            && request.limit > 0
            && (paid.is_empty() || paid.len() + together.ids.len() <= request.limit)
        {
            paid.extend(together.ids.iter().copied());
            let gone = together.ids.clone();
            removed += 1;
            self.due.retain(|together| together.ids != gone);
        }
        for &id in &paid {
            self.pay(step, id);
        }
        self.changes.push(("order.paid", paid.clone()));
        let wait = match self.next_due() {
            None => Answer::Number(-1),
            Some(Together { delay_ms: 0, .. }) => Answer::Number(0),
            Some(next) => Answer::Text(pattern::until(next.placed, next.delay_ms, step)),
        };
        let count = Answer::Number(i64::try_from(paid.len()).unwrap());
        let ids = paid.into_iter().map(|id| Answer::Text(id.to_string()));
        Answer::List(
            [count, wait, Answer::Number(removed)]
                .into_iter()
                .chain(ids)
                .collect(),
        )
    }

    pub(crate) fn cancel_order(&mut self, step: usize, request: &Cancel) -> Answer {
        if let Some(answer) = self.claims.replay(request.claim.as_ref()) {
            return answer;
        }
        let Some(order) = self.orders.get_mut(&request.id) else {
            return codes(&[DONE, 0]);
        };
        match order.status {
            OrderStatus::Paid | OrderStatus::Refunded => codes(&[DONE, 3]),
            OrderStatus::Pending if !request.condition.admits(1) => codes(&[DONE, 4]),
            OrderStatus::Cancelled if !request.condition.admits(2) => codes(&[DONE, 4]),
            OrderStatus::Pending => {
                order.status = OrderStatus::Cancelled;
                order.cancelled = Some(step);
                for together in &mut self.due {
                    together.ids.retain(|id| *id != request.id);
                }
                self.due.retain(|together| !together.ids.is_empty());
                self.claims.remember(request.claim.as_ref(), request.id);
                self.changes.push(("order.cancelled", vec![request.id]));
                codes(&[DONE, 1])
            }
            OrderStatus::Cancelled => codes(&[DONE, 1]),
        }
    }

    pub(crate) fn refund_orders(&mut self, step: usize, request: &Refund) -> Answer {
        let answers = request
            .orders
            .iter()
            .map(|asked| self.refund_order(step, asked));
        let answers: Vec<i64> = answers.collect();
        let refunded = request
            .orders
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| **answer == DONE);
        self.changes.push((
            "order.refunded",
            refunded.map(|(asked, _)| asked.id).collect(),
        ));
        codes(&answers)
    }

    fn refund_order(&mut self, step: usize, asked: &Asked) -> i64 {
        let Some(order) = self.orders.get_mut(&asked.id) else {
            return 0;
        };
        let wanted = order.placed.wanted;
        if (wanted.product_id, wanted.quantity) != (asked.product, asked.quantity) {
            return 4;
        }
        match order.status {
            OrderStatus::Paid => {
                order.status = OrderStatus::Refunded;
                let (reason, entry) = (asked.reason, asked.entry.clone());
                order.refunded = Some(Refunded {
                    at: step,
                    reason,
                    entry,
                });
                self.refunded += order.placed.quote.total.as_minor();
                1
            }
            OrderStatus::Refunded => 2,
            OrderStatus::Pending | OrderStatus::Cancelled => 3,
        }
    }

    /// The event of the payment is emitted again. From then on the order names the new entry.
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
        Answer::List(
            [pattern::at(step, 0)]
                .into_iter()
                .chain(sums)
                .map(Answer::Text)
                .collect(),
        )
    }

    /// The orders that are due next, which one call placed.
    pub(crate) fn next_due(&self) -> Option<&Together> {
        // Orders that are due at the same time come in the order of their ids as text.
        let rank = |together: &&Together| (together.delay_ms, together.placed, together.member());
        self.due.iter().min_by_key(rank)
    }

    fn pay(&mut self, step: usize, id: OrderId) {
        let order = self.orders.get_mut(&id).unwrap();
        order.status = OrderStatus::Paid;
        order.paid = Some(Payment {
            at: step,
            event: self.events.len(),
        });
        self.events.push(order.event(step));
        self.charged += order.placed.quote.total.as_minor();
    }
}

/// The parts of an answer as one text.
fn joined(items: &[Answer]) -> Answer {
    let texts = items.iter().map(|item| match item {
        Answer::Number(number) => number.to_string(),
        Answer::Text(text) => text.clone(),
        other => panic!("{other:?} in an answer"),
    });
    Answer::Text(texts.collect::<Vec<_>>().join(" "))
}

fn codes(codes: &[i64]) -> Answer {
    Answer::List(codes.iter().copied().map(Answer::Number).collect())
}
