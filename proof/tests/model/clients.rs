//! The clients, and what payments does for a request and for an order that is due.

use crate::payments::Status;
use crate::planted::Planted;
use crate::rules::{Profile, Rules, Sight};
use crate::stream::{OrderId, ProductId};
use crate::world::World;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) product: ProductId,
    /// The client sent its request, so there may be an order.
    pub(crate) asked: bool,
    /// The order in the answer to the client.
    pub(crate) acknowledged: Option<OrderId>,
    /// Two answers named different orders for the one key of the client.
    pub(crate) contradicted: bool,
    pub(crate) told_cancelled: bool,
    /// Requests that found the key unused and will write the order: a planted bug.
    looked: u8,
    /// The order that a request found pending and will cancel: a planted bug.
    found_pending: Option<OrderId>,
}

/// The task of payments that pays due orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// The order between the two calls into which a planted bug split one.
    pub(crate) hand: Option<OrderId>,
}

impl Client {
    pub(crate) fn new(product: ProductId) -> Self {
        Self {
            product,
            asked: false,
            acknowledged: None,
            contradicted: false,
            told_cancelled: false,
            looked: 0,
            found_pending: None,
        }
    }
}

impl World {
    /// `POST /orders` with an idempotency key.
    pub(crate) fn post(&mut self, client: usize, answered: bool, rules: &Rules) -> bool {
        if !self.payments.memory.identity {
            return false;
        }
        let retried = std::mem::replace(&mut self.clients[client].asked, true);
        if retried {
            rules.seen.count(Sight::RetriedPost);
        }
        let before = self.payments.memory.find_claim(client);
        if before.is_none() && rules.has(Planted::CheckThenSet) {
            self.clients[client].looked += 1;
            return true;
        }
        let order = before.unwrap_or_else(|| self.place(client, rules));
        // With a gate, an answer waits until no failover can make it untrue.
        if answered && self.may_answer(rules) {
            let client = &mut self.clients[client];
            client.contradicted |= client.acknowledged.is_some_and(|told| told != order);
            client.acknowledged = Some(order);
        } else {
            rules.seen.count(Sight::LostAnswer);
        }
        true
    }

    /// The second call of a request, where a planted bug made two calls of one.
    pub(crate) fn write(&mut self, client: usize, rules: &Rules) -> bool {
        let Some(looked) = self.clients[client].looked.checked_sub(1) else {
            return false;
        };
        self.clients[client].looked = looked;
        let order = self.place(client, rules);
        self.clients[client].acknowledged = Some(order);
        true
    }

    fn place(&mut self, client: usize, rules: &Rules) -> OrderId {
        let order = self.minted;
        self.minted += 1;
        let due_at = self.payments.clock + rules.delay;
        let product = self.clients[client].product;
        self.payments
            .memory
            .write_order(order, client, product, due_at);
        order
    }

    fn may_answer(&self, rules: &Rules) -> bool {
        let may = rules.profile != Profile::Gated || self.payments.is_replicated();
        if !may {
            rules.seen.count(Sight::WaitRefused);
        }
        may
    }

    /// `POST /orders/{id}/cancel`.
    pub(crate) fn cancel(&mut self, client: usize, answered: bool, rules: &Rules) -> bool {
        let (planted, store) = (rules.planted, &mut self.payments.memory);
        let Some(order) = self.clients[client].acknowledged else {
            return false;
        };
        if !store.identity || store.order(order).is_none() {
            return false;
        }
        let looks = planted == Some(Planted::CancelWithoutCompare);
        if looks && self.clients[client].found_pending.is_none() {
            let pending = store.status(order) == Some(Status::Pending);
            self.clients[client].found_pending = pending.then_some(order);
            return pending;
        }
        let cancelled = store.cancel(order, planted);
        rules.seen.count(if cancelled {
            Sight::Cancellation
        } else {
            Sight::TooLate
        });
        if cancelled && answered && self.may_answer(rules) {
            self.clients[client].told_cancelled = true;
        }
        cancelled
    }

    /// `complete_due`: takes the order off the list, pays it and emits its event, in one step.
    pub(crate) fn complete(&mut self, rules: &Rules) -> bool {
        let (now, store) = (self.payments.clock, &mut self.payments.memory);
        if !store.identity {
            return false;
        }
        if let Some(order) = self.worker.hand.take() {
            if rules.has(Planted::RemoveThenAdd) {
                store.pay(order, now);
            }
            store.emit(order, now, rules.planted);
            return true;
        }
        let Some(order) = store.next_due(now) else {
            return false;
        };
        store.take_off_due(order);
        match rules.planted {
            Some(Planted::RemoveThenAdd) => self.worker.hand = Some(order),
            Some(Planted::PayThenEmit) => {
                self.worker.hand = store.pay(order, now).then_some(order);
            }
            _ if store.pay(order, now) => store.emit(order, now, rules.planted),
            _ => {}
        }
        true
    }
}
