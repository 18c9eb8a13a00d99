//! Random histories compare the functions of inventory with their twins in Rust.

use std::collections::BTreeMap;

use inventory::domain::{Cause, MAX_STOCK};
use proof::invocation::Invocation;
use proof::twin::claim::{Claim, Claims};
use proof::twin::snapshot::{Kept, Snapshot};
use proof::twin::{Answer, Beginning, Rng, Step, Twin, play};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::{RequestContext, RequestId, TraceParent};
use shared::store::condition::{Condition, Versions};
use shared::store::partition::Partitions;

use crate::harness::TestStore;
use draw::{
    KEPT, KEPT_FROM, MOST_IN_A_BATCH, NAMES, NOTES, PLACED, PRICES, PRODUCTS, STOCKS, WANTED, one,
};
use model::Model;
use request::{Adjust, Apply, Create, Delete, HOUR_MS, Paid, Release, Surplus, Update, hour_of};
use sweep::Sweep;

mod draw;
mod layout;
mod model;
mod product;
mod release;
pub(crate) mod request;
pub(crate) mod sweep;

/// The model, and the ids that a history uses.
struct Inventory {
    model: Model,
    products: Vec<ProductId>,
    orders: Vec<Paid>,
}

#[tokio::test]
async fn every_function_does_what_its_twin_says() {
    let test = TestStore::start(Partitions::NONE).await;
    play::<Inventory>("inventory", &test, &test.store.own).await;
}

impl Twin for Inventory {
    fn begin(beginning: Beginning, random: &mut Rng) -> Self {
        let model = Model {
            beginning,
            products: BTreeMap::new(),
            records: BTreeMap::new(),
            swept: None,
            refunds: Vec::new(),
            changes: Vec::new(),
            claims: Claims::earlier(beginning, random),
        };
        let products = (0..PRODUCTS).map(|_| ProductId::mint()).collect();
        Self {
            model,
            products,
            orders: Vec::new(),
        }
    }

    fn step(&mut self, number: usize, random: &mut Rng) -> Step {
        match random.u32(..19) {
            0..3 => self.create(number, random),
            3..5 => self.update(number, random),
            5..8 => self.adjust(number, random),
            8 => self.delete(number, random),
            9..12 => self.release(number, random),
            12 => self.sweep(random),
            _ => self.apply(number, random),
        }
    }

    fn expected(&self) -> Snapshot {
        self.model.layout()
    }
}

impl Inventory {
    fn create(&mut self, number: usize, random: &mut Rng) -> Step {
        let create = Create {
            id: self.product(random),
            name: one(random, &NAMES).parse().unwrap(),
            price: one(random, &PRICES).to_owned(),
            quantity: one(random, &STOCKS).min(MAX_STOCK),
            claim: Claim::maybe(random),
        };
        let call = create.invocation(self.model.beginning.partition);
        let answer = self.model.create_product(number, &create);
        self.done(call, answer, create.id)
    }

    fn update(&mut self, number: usize, random: &mut Rng) -> Step {
        let name = random.bool().then(|| one(random, &NAMES).parse().unwrap());
        let price = random.bool().then(|| one(random, &PRICES).to_owned());
        let id = self.product(random);
        let update = Update {
            id,
            condition: self.condition(id, random),
            name,
            price,
        };
        let call = update.invocation(self.model.beginning.partition);
        let answer = self.model.update_product(number, &update);
        self.done(call, answer, id)
    }

    fn adjust(&mut self, number: usize, random: &mut Rng) -> Step {
        let id = self.product(random);
        let adjust = Adjust {
            id,
            cause: one(random, &[Cause::Restock, Cause::Stocktake]),
            quantity: one(random, &STOCKS),
            note: random.bool().then(|| one(random, &NOTES).to_owned()),
            condition: self.condition(id, random),
            most: MAX_STOCK,
            claim: Claim::maybe(random),
        };
        let call = adjust.invocation(self.model.beginning.partition);
        let answer = self.model.adjust_stock(number, &adjust);
        self.done(call, answer, id)
    }

    fn delete(&mut self, number: usize, random: &mut Rng) -> Step {
        let id = self.product(random);
        let delete = Delete {
            id,
            condition: self.condition(id, random),
        };
        let call = delete.invocation(self.model.beginning.partition);
        let answer = self.model.delete_product(number, &delete);
        self.done(call, answer, id)
    }

    fn apply(&mut self, number: usize, random: &mut Rng) -> Step {
        let keep_ms = one(random, &KEPT);
        let length = random.usize(1..=MOST_IN_A_BATCH);
        let orders = (0..length).map(|_| self.order(random)).collect();
        let apply = Apply { keep_ms, orders };
        let call = apply.invocation(self.model.beginning.partition);
        let answer = self.model.apply_orders(number, &apply);
        self.done(call, answer, apply.orders[0].product)
    }

    fn sweep(&mut self, random: &mut Rng) -> Step {
        let first = hour_of(self.hours_from_now(one(random, &KEPT_FROM)));
        let sweep = Sweep {
            first,
            limit: 1_000,
        };
        let call = sweep.invocation(self.model.beginning.partition);
        let answer = self.model.sweep_records(&sweep);
        self.done(call, answer, self.product(random))
    }

    fn hours_from_now(&self, hours: i64) -> u64 {
        let now_ms = self.model.beginning.now_ms;
        now_ms
            .checked_add_signed(hours * HOUR_MS.cast_signed())
            .unwrap()
    }

    /// Usually an order that took stock or gave it back, and usually with its product.
    fn release(&mut self, number: usize, random: &mut Rng) -> Step {
        let has_taken = |order: &&Paid| {
            let recorded = self.model.records.get(&order.id);
            recorded.is_some_and(|recorded| recorded.released || recorded.movement.is_some())
        };
        let mut taken: Vec<Paid> = self.orders.iter().filter(has_taken).cloned().collect();
        let order = match random.usize(..=taken.len() + 1).checked_sub(2) {
            Some(place) => taken.swap_remove(place),
            None => self.order(random),
        };
        let product = if random.u32(..8) == 0 {
            self.product(random)
        } else {
            order.product
        };
        let (id, minted_at, most) = (order.id, order.minted_at, MAX_STOCK);
        if random.u32(..8) == 0 {
            // No order of a history takes its stock twice.
            let movement = format!("{}-0", random.u32(..));
            let surplus = Surplus {
                order: id,
                minted_at,
                product,
                most,
                movement,
            };
            let call = surplus.invocation(self.model.beginning.partition);
            return self.done(call, Answer::Number(0), product);
        }
        let context = RequestContext::mint();
        let release = Release {
            order: id,
            minted_at,
            product,
            most,
            context,
        };
        let call = release.invocation(self.model.beginning.partition);
        let answer = self.model.release_order(number, &release);
        self.done(call, answer, product)
    }

    /// A new order or an earlier one, which may be in the same batch.
    fn order(&mut self, random: &mut Rng) -> Paid {
        if !self.orders.is_empty() && random.u32(..3) == 0 {
            return self.orders[random.usize(..self.orders.len())].clone();
        }
        let minted_at = self.hours_from_now(one(random, &PLACED));
        let order = Paid {
            id: OrderId::mint(),
            minted_at,
            product: self.product(random),
            quantity: one(random, &WANTED),
            traceparent: TraceParent::mint(),
            request_id: RequestId::mint(),
        };
        self.orders.push(order.clone());
        order
    }

    fn product(&self, random: &mut Rng) -> ProductId {
        one(random, &self.products)
    }

    /// Either kind of condition: none, any version, or versions near that of the product.
    fn condition(&self, id: ProductId, random: &mut Rng) -> Condition {
        let product = self
            .model
            .products
            .get(&id)
            .and_then(|place| place.product.as_ref().ok());
        let version = product.map_or(1, |product| product.version);
        let mut versions = || match random.u32(..9) {
            0..6 => None,
            6 => Some(Versions::Any),
            7 => Some(Versions::Listed(vec![
                version + random.u64(..2),
                version * 10,
            ])),
            _ => Some(Versions::Listed(Vec::new())),
        };
        Condition {
            only: versions(),
            not: versions(),
        }
    }

    fn done(&self, call: Invocation, answer: Answer, about: ProductId) -> Step {
        let place = self.model.products.get(&about);
        let left = place.map(|place| {
            let key = self.model.beginning.partition.key_of("product", about);
            (key, Kept::Text(place.line()))
        });
        Step { call, answer, left }
    }
}
