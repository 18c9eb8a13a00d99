//! The store of inventory, and its functions.

use std::collections::BTreeMap;

use crate::checkpoint::Checkpoint;
use crate::planted::Planted;
use crate::store::{Incarnation, Records};
use crate::stream::{Entry, EntryId, Event, OrderId, ProductId, Stream, Time};

/// The decision about an order, recorded for its duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Decision {
    Applied,
    Rejected,
    /// The order was applied, and `reconcile` gave the stock back.
    Released,
}

/// The key under which a decision is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Fact {
    Order(OrderId),
    /// The id of its entry: a planted bug.
    Entry(EntryId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Product {
    pub(crate) on_hand: i32,
    /// All pieces that were ever added, minus those removed by hand.
    pub(crate) supplied: i32,
    /// A deleted product leaves a tombstone.
    pub(crate) deleted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Inventory {
    pub(crate) identity: bool,
    pub(crate) replayed: Option<Incarnation>,
    /// How far this store has acted on the stream of payments.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) products: Vec<Product>,
    pub(crate) records: BTreeMap<Fact, (OrderId, Decision)>,
    /// The ledger: all sales that were not given back.
    pub(crate) sales: Vec<Event>,
    pub(crate) refund_order: Stream,
}

/// What `apply_orders` answers for one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Decided(Decision),
    Repeated(Decision),
}

impl Records for Inventory {
    fn has_identity(&self) -> bool {
        self.identity
    }
}

impl Inventory {
    pub(crate) fn opened(stock: &[i32]) -> Self {
        let product = |&on_hand| Product {
            on_hand,
            supplied: on_hand,
            deleted: false,
        };
        let products = stock.iter().map(product).collect();
        Self {
            identity: true,
            replayed: Some(0),
            products,
            ..Self::default()
        }
    }

    pub(crate) fn taken(&self, order: OrderId) -> usize {
        self.sales.iter().filter(|sale| sale.order == order).count()
    }

    pub(crate) fn decision(&self, order: OrderId) -> Option<Decision> {
        let recorded = self.records.values().find(|(of, _)| *of == order);
        recorded.map(|(_, decision)| *decision)
    }

    /// `apply_orders`: the effect, its record and the reply, in one step.
    pub(crate) fn apply(
        &mut self,
        entry: Entry,
        event: Event,
        now: Time,
        planted: Option<Planted>,
    ) -> Outcome {
        let outcome = self.decide(entry, event, planted);
        if let Outcome::Decided(decision) = outcome {
            self.records
                .insert(fact(entry, event, planted), (event.order, decision));
            if decision == Decision::Applied {
                self.take(event);
            }
        }
        self.reply(event, outcome, now, planted);
        outcome
    }

    /// The first of two calls, where a planted bug made two calls of one.
    pub(crate) fn mark_only(&mut self, entry: Entry, now: Time, planted: Option<Planted>) -> bool {
        let Some(event) = entry.event else {
            return false;
        };
        let outcome = self.decide(entry, event, planted);
        if let Outcome::Decided(decision) = outcome {
            self.records
                .insert(fact(entry, event, planted), (event.order, decision));
        }
        self.reply(event, outcome, now, planted);
        outcome == Outcome::Decided(Decision::Applied)
    }

    /// Takes the stock and writes it to the ledger.
    pub(crate) fn take(&mut self, event: Event) {
        if let Some(product) = self.products.get_mut(event.product) {
            product.on_hand -= 1;
        }
        self.sales.push(event);
    }

    /// `release_order`: gives the stock of an order back and asks for its refund, in one step.
    pub(crate) fn release(&mut self, order: OrderId, now: Time) {
        let Some(place) = self.sales.iter().position(|sale| sale.order == order) else {
            return;
        };
        let sale = self.sales.remove(place);
        let product = &mut self.products[sale.product];
        if product.deleted {
            product.supplied -= 1;
        } else {
            product.on_hand += 1;
        }
        self.records
            .insert(Fact::Order(order), (order, Decision::Released));
        self.refund_order.add(now, sale);
    }

    /// `adjust_stock`: a restock of one piece.
    pub(crate) fn restock(&mut self, product: ProductId) -> bool {
        let Some(product) = self
            .products
            .get_mut(product)
            .filter(|product| !product.deleted)
        else {
            return false;
        };
        product.on_hand += 1;
        product.supplied += 1;
        true
    }

    /// `delete_product`: leaves a tombstone, so that orders under way are refunded.
    pub(crate) fn delete(&mut self, product: ProductId) -> bool {
        let Some(product) = self
            .products
            .get_mut(product)
            .filter(|product| !product.deleted)
        else {
            return false;
        };
        product.supplied -= product.on_hand;
        product.on_hand = 0;
        product.deleted = true;
        true
    }

    fn decide(&self, entry: Entry, event: Event, planted: Option<Planted>) -> Outcome {
        if let Some((_, recorded)) = self.records.get(&fact(entry, event, planted)) {
            return Outcome::Repeated(*recorded);
        }
        let on_hand = self
            .products
            .get(event.product)
            .map_or(0, |product| product.on_hand);
        let enough = on_hand >= 1;
        Outcome::Decided(if enough {
            Decision::Applied
        } else {
            Decision::Rejected
        })
    }

    /// A duplicate repeats the recorded answer. If payments emitted the order again, it may have
    /// lost the refund, too.
    fn reply(&mut self, event: Event, outcome: Outcome, now: Time, planted: Option<Planted>) {
        let skips = planted == Some(Planted::SkipInsteadOfReplay);
        let says = match outcome {
            Outcome::Decided(decision) => decision == Decision::Rejected,
            Outcome::Repeated(decision) => decision != Decision::Applied && !skips,
        };
        if says {
            self.refund_order.add(now, event);
        }
    }
}

fn fact(entry: Entry, event: Event, planted: Option<Planted>) -> Fact {
    match planted {
        Some(Planted::DedupeByEntryId) => Fact::Entry(entry.id),
        _ => Fact::Order(event.order),
    }
}
