//! The whole system at one instant, and everything that can happen next.

use crate::checkpoint::Checkpoint;
use crate::clients::{Client, Worker};
use crate::consumer::Consumer;
use crate::faults::{Fault, Loss};
use crate::inventory::Inventory;
use crate::payments::Payments;
use crate::role::Role;
use crate::rules::{Profile, Rules, Sight};
use crate::store::{Incarnation, Side, Store};
use crate::stream::{ProductId, Stream, Time};

/// The first time on the clocks: late enough to set a clock back.
pub(crate) const START: Time = 100;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) payments: Store<Payments>,
    pub(crate) inventory: Store<Inventory>,
    pub(crate) clients: Vec<Client>,
    pub(crate) worker: Worker,
    pub(crate) consumers: Vec<Consumer>,
    /// The number of the next order. It never goes back, even if a store forgets orders.
    pub(crate) minted: usize,
    /// The worst loss of data so far, which `reconcile` may have to repair.
    pub(crate) loss: Loss,
    /// The number of ticks so far.
    pub(crate) age: Time,
    /// For each stream, the time of the last trim and the oldest entry that was needed then.
    marks: [Option<(Time, Time)>; 2],
    /// Whether a consumer halted although a replay could have repaired the loss.
    pub(crate) is_halted_in_vain: bool,
}

/// One step of an actor. A step that its actor cannot take changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// A client requests its order, for the first time or again. The answer may be lost.
    Post {
        client: usize,
        answered: bool,
    },
    /// The second call of a client's request, where a planted bug made two calls of one.
    Write {
        client: usize,
    },
    Cancel {
        client: usize,
        answered: bool,
    },
    Restock {
        product: ProductId,
    },
    Delete {
        product: ProductId,
    },
    /// The worker of payments pays one due order.
    Complete,
    /// A consumer takes its next step: it reads, acts or acknowledges.
    Step {
        consumer: usize,
    },
    /// A consumer looks at the incarnation of its own store.
    Look {
        consumer: usize,
    },
    /// A consumer takes the next step of its replay.
    Advance {
        consumer: usize,
    },
    Claim {
        consumer: usize,
    },
    Trim {
        role: Role,
    },
    Tick,
    Fault(Fault),
}

/// The size of a world.
#[derive(Clone, Debug)]
pub(crate) struct Size {
    /// The stock of each product.
    pub(crate) stock: Vec<i32>,
    /// The product that each client wants.
    pub(crate) wishes: Vec<ProductId>,
    pub(crate) order_consumers: usize,
    pub(crate) refund_consumers: usize,
}

impl World {
    pub(crate) fn new(size: &Size, rules: &Rules) -> Self {
        let payments = Payments::opened(size.wishes.len(), rules.planted);
        let orders = std::iter::repeat_n(Role::Orders, size.order_consumers);
        let refunds = std::iter::repeat_n(Role::Refunds, size.refund_consumers);
        Self {
            payments: Store::new(payments, START),
            inventory: Store::new(Inventory::opened(&size.stock), START),
            clients: size
                .wishes
                .iter()
                .map(|&product| Client::new(product))
                .collect(),
            worker: Worker::default(),
            consumers: orders.chain(refunds).map(Consumer::started).collect(),
            minted: 0,
            loss: Loss::Nothing,
            age: 0,
            marks: [None, None],
            is_halted_in_vain: false,
        }
    }

    /// Takes one step. Answers whether anything changed.
    pub(crate) fn take(&mut self, action: Action, rules: &Rules) -> bool {
        match action {
            Action::Post { client, answered } => self.post(client, answered, rules),
            Action::Write { client } => self.write(client, rules),
            Action::Cancel { client, answered } => self.cancel(client, answered, rules),
            Action::Restock { product } => self.inventory.memory.restock(product),
            Action::Delete { product } => self.delete(product, rules),
            Action::Complete => self.complete(rules),
            Action::Step { consumer } => self.step(consumer, rules),
            Action::Look { consumer } => self.look(consumer, rules),
            Action::Advance { consumer } => self.advance(consumer, rules),
            Action::Claim { consumer } => self.claim(consumer, rules),
            Action::Trim { role } => self.trim(role, rules),
            Action::Tick => {
                self.tick(rules);
                true
            }
            Action::Fault(fault) => self.suffer(fault, rules),
        }
    }

    /// Trims entries that are older by `retention` than the oldest entry that was needed at this
    /// trim and at the last one. A consumer that acknowledged later entries has recorded that by
    /// now. A replay that is late all the same may find too little.
    fn trim(&mut self, role: Role, rules: &Rules) -> bool {
        let now = self.stream_clock(role);
        let Some(needed) = self.stream(role).needed(now) else {
            return false;
        };
        let mark = self.marks[role as usize];
        if mark.is_some_and(|(age, _)| age + rules.window >= self.age) {
            return false;
        }
        self.marks[role as usize] = Some((self.age, needed));
        let Some((_, before)) = mark else {
            return true;
        };
        let oldest = needed.min(before).saturating_sub(rules.retention);
        let trimmed = self.stream(role).trim(oldest);
        let incarnation = self.incarnation(role.own_side());
        let is_late = *self.replayed(role.own_side()) != Some(incarnation);
        if trimmed && is_late && rules.profile == Profile::Lossy {
            self.loss = Loss::Beyond;
        }
        trimmed
    }

    fn delete(&mut self, product: ProductId, rules: &Rules) -> bool {
        let deleted = self.inventory.memory.delete(product);
        if deleted {
            rules.seen.count(Sight::Deletion);
        }
        deleted
    }

    pub(crate) fn tick(&mut self, rules: &Rules) {
        self.age += 1;
        // With a gate a process goes on only once the copy has caught up. A replica that takes
        // longer than this is not promoted.
        let window = match rules.profile {
            Profile::Gated => rules.replay / 2,
            Profile::Durable | Profile::Lossy => rules.window,
        };
        self.payments.tick(window);
        self.inventory.tick(window);
    }

    /// The stream that consumers of this role read.
    pub(crate) fn stream(&mut self, role: Role) -> &mut Stream {
        match role {
            Role::Orders => &mut self.payments.memory.order_completed,
            Role::Refunds => &mut self.inventory.memory.refund_order,
        }
    }

    /// The incarnation of a store for which its recent past was replayed.
    pub(crate) fn replayed(&mut self, side: Side) -> &mut Option<Incarnation> {
        match side {
            Side::Payments => &mut self.payments.memory.replayed,
            Side::Inventory => &mut self.inventory.memory.replayed,
        }
    }

    /// How far a store has acted on the stream of the other store.
    pub(crate) fn checkpoint(&mut self, side: Side) -> &mut Checkpoint {
        match side {
            Side::Payments => &mut self.payments.memory.checkpoint,
            Side::Inventory => &mut self.inventory.memory.checkpoint,
        }
    }

    pub(crate) fn incarnation(&self, side: Side) -> Incarnation {
        match side {
            Side::Payments => self.payments.incarnation,
            Side::Inventory => self.inventory.incarnation,
        }
    }

    pub(crate) fn has_identity(&self, side: Side) -> bool {
        match side {
            Side::Payments => self.payments.memory.identity,
            Side::Inventory => self.inventory.memory.identity,
        }
    }

    pub(crate) fn is_behind(&self, side: Side) -> bool {
        match side {
            Side::Payments => self.payments.is_behind(),
            Side::Inventory => self.inventory.is_behind(),
        }
    }

    /// Whether a consumer that acted in incarnation `done` of its own store has to look at it
    /// again.
    pub(crate) fn is_look_due(&self, side: Side, done: Option<Incarnation>) -> bool {
        let (incarnation, born, now) = match side {
            Side::Payments => (
                self.payments.incarnation,
                self.payments.born,
                self.payments.clock,
            ),
            Side::Inventory => (
                self.inventory.incarnation,
                self.inventory.born,
                self.inventory.clock,
            ),
        };
        done != Some(incarnation) && now != born
    }

    /// Whether `WAIT` would confirm.
    pub(crate) fn is_replicated(&self, side: Side) -> bool {
        match side {
            Side::Payments => self.payments.is_replicated(),
            Side::Inventory => self.inventory.is_replicated(),
        }
    }

    pub(crate) fn stream_clock(&self, role: Role) -> Time {
        match role {
            Role::Orders => self.payments.clock,
            Role::Refunds => self.inventory.clock,
        }
    }
}
