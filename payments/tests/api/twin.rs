//! Random histories compare the functions of payments with their twins in Rust.

use std::collections::BTreeMap;

use payments::domain::{MAX_QUANTITY, PlaceOrder, Quote};
use proof::invocation::Invocation;
use proof::twin::claim::{Claim, Claims};
use proof::twin::snapshot::{Kept, Snapshot};
use proof::twin::{Answer, Beginning, Rng, Step, Twin, play};
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::store::condition::{Condition, Versions};
use shared::store::partition::Partitions;

use crate::harness::TestStore;
use model::Model;
use request::{Asked, Cancel, Complete, EmitAgain, Place, PlaceAll, Refund, read_account};

mod layout;
mod model;
mod order;
pub(crate) mod request;

const HOUR_MS: u64 = 60 * 60 * 1_000;
const PRICES: [&str; 4] = ["0.00", "0.01", "19.90", "8333.33"];
const QUANTITIES: [u32; 4] = [1, 2, 999_999, MAX_QUANTITY];
/// Due at once, or not due during a history.
const DELAYS: [u64; 4] = [0, 0, HOUR_MS, 7 * 24 * HOUR_MS];
/// The most orders that one call pays.
const LIMITS: [usize; 4] = [0, 1, 2, 100];
const REASONS: [RefundReason; 3] = [
    RefundReason::ProductNotFound,
    RefundReason::InsufficientStock,
    RefundReason::Released,
];
const MOST_IN_A_BATCH: usize = 8;

/// The model, and an id without an order.
struct Payments {
    model: Model,
    unknown: OrderId,
}

#[tokio::test]
async fn every_function_does_what_its_twin_says() {
    let test = TestStore::start(Partitions::NONE).await;
    play::<Payments>("payments", &test, &test.store.own).await;
}

impl Twin for Payments {
    fn begin(beginning: Beginning, random: &mut Rng) -> Self {
        let model = Model {
            beginning,
            orders: BTreeMap::new(),
            placed: Vec::new(),
            due: Vec::new(),
            events: Vec::new(),
            changes: Vec::new(),
            claims: Claims::earlier(beginning, random),
            charged: 0,
            refunded: 0,
        };
        Self {
            model,
            unknown: OrderId::mint(),
        }
    }

    fn step(&mut self, number: usize, random: &mut Rng) -> Step {
        match random.u32(..20) {
            0..7 => self.place(number, random),
            7..10 => self.complete(number, random),
            10..13 => self.cancel(number, random),
            13..16 => self.refund(number, random),
            16..19 => self.emit_again(random),
            _ => self.read_account(number),
        }
    }

    fn expected(&self) -> Snapshot {
        self.model.layout()
    }
}

impl Payments {
    /// Orders that are placed in one call. Some of them stand in it twice.
    fn place(&mut self, number: usize, random: &mut Rng) -> Step {
        let (length, delay_ms) = (random.usize(1..=MOST_IN_A_BATCH), one(random, &DELAYS));
        let mut orders: Vec<Place> = Vec::new();
        for _ in 0..length {
            let mut order = self.placement(random, delay_ms);
            if random.u32(..8) == 0 && !orders.is_empty() {
                let earlier = &orders[random.usize(..orders.len())];
                (order.id, order.minted_at) = (earlier.id, earlier.minted_at);
            }
            orders.push(order);
        }
        let about = orders[0].id;
        let place = PlaceAll { delay_ms, orders };
        let call = place.invocation(self.model.beginning.partition);
        let answer = self.model.place_orders(number, &place);
        self.done(call, answer, about)
    }

    /// A new order, or an earlier one once more.
    fn placement(&self, random: &mut Rng, delay_ms: u64) -> Place {
        let again = random.u32(..4) == 0;
        let known = self.order(random);
        let quantity = one(random, &QUANTITIES);
        let price = one(random, &PRICES).parse().unwrap();
        let now = self.model.beginning.now_ms;
        let id = match random.u32(..12) {
            _ if again && known != self.unknown => known,
            0 => minted(now - 25 * HOUR_MS),
            1 => minted(now + 25 * HOUR_MS),
            // Orders that are due in the same millisecond are paid in the order of their ids.
            2 if delay_ms > 0 => minted(now - 23 * HOUR_MS),
            3 if delay_ms > 0 => minted(now + 23 * HOUR_MS),
            _ => OrderId::mint(),
        };
        Place {
            id,
            wanted: PlaceOrder {
                product_id: ProductId::mint(),
                quantity,
            },
            quote: Quote::of(price, quantity, "0.20".parse().unwrap()).unwrap(),
            context: RequestContext::mint(),
            minted_at: id.minted_at().unwrap().as_millis(),
            claim: Claim::maybe(random),
        }
    }

    fn complete(&mut self, number: usize, random: &mut Rng) -> Step {
        let complete = Complete {
            limit: one(random, &LIMITS),
        };
        let call = complete.invocation(self.model.beginning.partition);
        let first = self
            .model
            .next_due()
            .map_or(self.unknown, |together| together.ids[0]);
        let answer = self.model.complete_due(number, &complete);
        self.done(call, answer, first)
    }

    fn cancel(&mut self, number: usize, random: &mut Rng) -> Step {
        let (id, condition) = (self.order(random), condition(random));
        let cancel = Cancel {
            id,
            condition,
            claim: Claim::maybe(random),
        };
        let call = cancel.invocation(self.model.beginning.partition);
        let answer = self.model.cancel_order(number, &cancel);
        self.done(call, answer, cancel.id)
    }

    /// An order may stand in a batch more than once.
    fn refund(&mut self, number: usize, random: &mut Rng) -> Step {
        let length = random.usize(1..=MOST_IN_A_BATCH);
        let mut asked = |place| {
            let id = self.order(random);
            let order = self.model.orders.get(&id);
            let wanted = order.map(|order| order.placed.wanted);
            let mut product = wanted.map_or_else(ProductId::mint, |wanted| wanted.product_id);
            let mut quantity = wanted.map_or(1, |wanted| wanted.quantity);
            match random.u32(..12) {
                0 => product = ProductId::mint(),
                1 => quantity = one(random, &QUANTITIES),
                _ => {}
            }
            let (reason, entry) = (one(random, &REASONS), format!("{number}-{place}"));
            Asked {
                id,
                reason,
                entry,
                product,
                quantity,
            }
        };
        let refund = Refund {
            orders: (0..length).map(&mut asked).collect(),
        };
        let call = refund.invocation(self.model.beginning.partition);
        let answer = self.model.refund_orders(number, &refund);
        self.done(call, answer, refund.orders[0].id)
    }

    fn emit_again(&mut self, random: &mut Rng) -> Step {
        let request = EmitAgain {
            id: self.order(random),
        };
        let call = request.invocation(self.model.beginning.partition);
        let answer = self.model.emit_again(&request);
        self.done(call, answer, request.id)
    }

    fn read_account(&self, number: usize) -> Step {
        let call = read_account(self.model.beginning.partition);
        Step {
            call,
            answer: self.model.read_account(number),
            left: None,
        }
    }

    /// Usually an order that exists.
    fn order(&self, random: &mut Rng) -> OrderId {
        let known = random.usize(..=self.model.orders.len());
        self.model
            .orders
            .keys()
            .nth(known)
            .copied()
            .unwrap_or(self.unknown)
    }

    fn done(&self, call: Invocation, answer: Answer, about: OrderId) -> Step {
        let left = self.model.orders.get(&about).map(|order| {
            let key = self.model.beginning.partition.key_of("order", about);
            (key, Kept::Text(self.model.line(order)))
        });
        Step { call, answer, left }
    }
}

/// Either kind of condition: none, any version, or some versions of an order.
fn condition(random: &mut Rng) -> Condition {
    let mut versions = || match random.u32(..9) {
        0..6 => None,
        6 => Some(Versions::Any),
        7 => Some(Versions::Listed(vec![random.u64(1..=3), 10])),
        _ => Some(Versions::Listed(Vec::new())),
    };
    Condition {
        only: versions(),
        not: versions(),
    }
}

/// A new id with this time.
fn minted(at_ms: u64) -> OrderId {
    let at = format!("{:08x}-{:04x}", at_ms >> 16, at_ms & 0xffff);
    let id = OrderId::mint().to_string();
    format!("{at}{}", &id[at.len()..]).parse().unwrap()
}

fn one<T: Clone>(random: &mut Rng, items: &[T]) -> T {
    items[random.usize(..items.len())].clone()
}
