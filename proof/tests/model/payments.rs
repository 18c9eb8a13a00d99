//! The store of payments and its functions. Each function is one step: all of its changes, or none.

use crate::checkpoint::Checkpoint;
use crate::planted::Planted;
use crate::store::{Incarnation, Records};
use crate::stream::{Event, OrderId, ProductId, Stream, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Pending,
    Paid,
    Refunded,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    /// The idempotency key of the order. It belongs to one client.
    pub(crate) key: usize,
    pub(crate) product: ProductId,
    pub(crate) status: Status,
    pub(crate) due_at: Time,
    /// Whether a status went back, or an order was paid early. Neither may happen.
    pub(crate) broken: bool,
}

/// A sum of money, in whole cents or as a float: a planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Amount {
    Cents(u64),
    /// The bits of a float.
    Float(u64),
}

/// All that was charged and refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    pub(crate) charged: Amount,
    pub(crate) refunded: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Payments {
    pub(crate) identity: bool,
    pub(crate) replayed: Option<Incarnation>,
    /// How far this store has acted on the stream of inventory.
    pub(crate) checkpoint: Checkpoint,
    /// Orders by id. `None` for an order that was lost or never written.
    pub(crate) orders: Vec<Option<Order>>,
    /// The answer to each idempotency key.
    pub(crate) claims: Vec<Option<OrderId>>,
    pub(crate) due: Vec<OrderId>,
    pub(crate) order_completed: Stream,
    pub(crate) account: Account,
    /// Refunds of orders that this store does not know, as dead letters.
    pub(crate) parked: Vec<OrderId>,
}

/// The total of an order for one piece, in cents. No two are equal, and floats add them with
/// errors.
pub(crate) fn total(product: ProductId) -> u64 {
    [10, 20, 70][product % 3]
}

impl Default for Account {
    fn default() -> Self {
        Self {
            charged: Amount::Cents(0),
            refunded: Amount::Cents(0),
        }
    }
}

impl Amount {
    #[expect(
        clippy::cast_precision_loss,
        reason = "the loss is what the planted bug is about"
    )]
    fn add(&mut self, cents: u64) {
        match self {
            Self::Cents(sum) => *sum += cents,
            Self::Float(bits) => *bits = (f64::from_bits(*bits) + cents as f64 / 100.0).to_bits(),
        }
    }

    /// The amount in cents, if it is a whole number.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as above"
    )]
    pub(crate) fn cents(self) -> Option<u64> {
        match self {
            Self::Cents(sum) => Some(sum),
            Self::Float(bits) => {
                let cents = f64::from_bits(bits) * 100.0;
                (cents.fract() == 0.0).then_some(cents as u64)
            }
        }
    }
}

impl Default for Payments {
    /// An empty store, which has no identity.
    fn default() -> Self {
        Self {
            identity: false,
            replayed: None,
            checkpoint: Checkpoint::default(),
            orders: Vec::new(),
            claims: Vec::new(),
            due: Vec::new(),
            order_completed: Stream::default(),
            account: Account::default(),
            parked: Vec::new(),
        }
    }
}

impl Records for Payments {
    fn has_identity(&self) -> bool {
        self.identity
    }
}

impl Payments {
    pub(crate) fn opened(clients: usize, planted: Option<Planted>) -> Self {
        let mut store = Self {
            identity: true,
            replayed: Some(0),
            claims: vec![None; clients],
            ..Self::default()
        };
        if planted == Some(Planted::MoneyAsFloat) {
            let nothing = Amount::Float(0.0_f64.to_bits());
            store.account = Account {
                charged: nothing,
                refunded: nothing,
            };
        }
        store
    }

    pub(crate) fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(id)?.as_ref()
    }

    pub(crate) fn status(&self, id: OrderId) -> Option<Status> {
        self.order(id).map(|order| order.status)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (OrderId, &Order)> {
        let orders = self.orders.iter().enumerate();
        orders.filter_map(|(id, order)| order.as_ref().map(|order| (id, order)))
    }

    /// The recorded answer to a key.
    pub(crate) fn find_claim(&self, key: usize) -> Option<OrderId> {
        self.claims[key]
    }

    /// The half of `place_orders` that writes, for one order.
    pub(crate) fn write_order(
        &mut self,
        id: OrderId,
        key: usize,
        product: ProductId,
        due_at: Time,
    ) {
        self.claims[key] = Some(id);
        let slots = self.orders.len().max(id + 1);
        self.orders.resize(slots, None);
        let status = Status::Pending;
        self.orders[id] = Some(Order {
            key,
            product,
            status,
            due_at,
            broken: false,
        });
        self.due.push(id);
    }

    /// The first order that is due on the clock of the store.
    pub(crate) fn next_due(&self, now: Time) -> Option<OrderId> {
        let elapsed = |id: &&OrderId| self.order(**id).is_none_or(|order| order.due_at <= now);
        self.due.iter().find(elapsed).copied()
    }

    pub(crate) fn take_off_due(&mut self, id: OrderId) {
        self.due.retain(|due| *due != id);
    }

    /// The half of `complete_due` that pays.
    pub(crate) fn pay(&mut self, id: OrderId, now: Time) -> bool {
        if self.status(id) != Some(Status::Pending) {
            return false;
        }
        let Some(order) = self.orders[id].as_mut() else {
            return false;
        };
        order.broken |= now < order.due_at;
        order.status = Status::Paid;
        self.account.charged.add(total(order.product));
        true
    }

    /// The half of `complete_due` that emits the event. `reconcile` calls it too, for a paid order
    /// without stock.
    pub(crate) fn emit(&mut self, id: OrderId, now: Time, planted: Option<Planted>) {
        if let Some(product) = self.order(id).map(|order| order.product) {
            self.order_completed.add(now, Event { order: id, product });
            if planted == Some(Planted::TrimByLength) {
                self.order_completed.cut_to(1);
            }
        }
    }

    /// `cancel_order`. Payment and cancellation race for the status, and one wins.
    pub(crate) fn cancel(&mut self, id: OrderId, planted: Option<Planted>) -> bool {
        let status = self.status(id);
        // The planted bug decides by an earlier read, which found `pending`.
        if status != Some(Status::Pending) && planted != Some(Planted::CancelWithoutCompare) {
            return status == Some(Status::Cancelled);
        }
        if let Some(order) = self.orders[id].as_mut() {
            order.broken |= !matches!(order.status, Status::Pending | Status::Cancelled);
            order.status = Status::Cancelled;
        }
        self.take_off_due(id);
        true
    }

    /// `refund_orders`. A duplicate changes nothing.
    pub(crate) fn refund(&mut self, id: OrderId) -> Refund {
        match self.orders.get_mut(id) {
            Some(Some(order)) if order.status == Status::Paid => {
                order.status = Status::Refunded;
                self.account.refunded.add(total(order.product));
                Refund::Refunded
            }
            Some(Some(order)) if order.status == Status::Refunded => Refund::Repeated,
            Some(Some(_)) => Refund::NotPaid,
            _ => {
                self.parked.push(id);
                Refund::NotFound
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refund {
    Refunded,
    Repeated,
    /// The store forgot that the order was paid. It will be paid again, and rejected again.
    NotPaid,
    NotFound,
}
