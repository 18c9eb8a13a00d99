//! An invented small history with the stores that belong to it. Every rule holds until a test
//! changes something.

use std::collections::HashMap;
use std::time::Duration;

use stack::redis::Owner;

use super::stores::{DeadLetter, Event, Movement, Order, Product, Record, Stores, Stream};
use super::{Evidence, Finding, Rule, check};
use crate::chaos::history::{Call, Op, Outcome, SeenOrder};
use crate::chaos::inject::{Crash, Declared, Trimmed};
use crate::chaos::load::note;
use crate::chaos::watch::Seen;

/// Everything that the checker compares, owned.
#[derive(Clone)]
pub(super) struct World {
    pub(super) calls: Vec<Call>,
    pub(super) stores: Stores,
    pub(super) watch: Seen,
    pub(super) declared: Declared,
    pub(super) window_ms: u64,
    pub(super) reconciled: bool,
}

/// The product of the orders. After a restock there is one piece, and two paid orders want it.
pub(super) const THING: &str = "thing";
/// Paid, and its stock taken.
pub(super) const PAID: &str = "order-paid";
/// Refunded, because nothing was left.
pub(super) const REFUNDED: &str = "order-refunded";
/// Cancelled in time.
pub(super) const CANCELLED: &str = "order-cancelled";
const DELAY_MS: u64 = 300;
const RESTOCK: u32 = 9;

impl World {
    /// Three orders with their three endings, a restock, a poison entry.
    pub(super) fn new() -> Self {
        let orders = [(PAID, 1), (REFUNDED, 2), (CANCELLED, 3)];
        let mut calls: Vec<Call> = orders
            .iter()
            .map(|(id, intent)| place(id, *intent))
            .collect();
        calls.push(shop(Op::Create, 8));
        calls.push(shop(Op::Restock, RESTOCK));
        calls.push(about(Op::Read, PAID, "pending", 100));
        calls.push(about(Op::Read, PAID, "paid", 500));
        calls.push(about(Op::Cancel, CANCELLED, "cancelled", 200));
        let stores = Stores {
            orders: orders
                .iter()
                .map(|(id, intent)| order(id, *intent))
                .collect(),
            account: Some((600, 300)),
            completed: stream(vec![
                event(PAID, "1-0"),
                event(REFUNDED, "2-0"),
                poison("3-0"),
            ]),
            refunds: stream(vec![Event {
                total: 0,
                ..event(REFUNDED, "5-0")
            }]),
            products: HashMap::from([(THING.to_owned(), product())]),
            records: HashMap::from([
                (PAID.to_owned(), vec![Record::Applied("12-0".to_owned())]),
                (REFUNDED.to_owned(), vec![Record::Refused]),
            ]),
            dead_letters: vec![DeadLetter {
                from: Owner::Payments,
                entry: "3-0".to_owned(),
                reason: "undecodable".to_owned(),
                order: String::new(),
                poison: true,
            }],
            ..Stores::default()
        };
        let watch = Seen {
            stocks: 5,
            charges: 2,
            violations: Vec::new(),
        };
        let declared = Declared::default();
        Self {
            calls,
            stores,
            watch,
            declared,
            window_ms: 0,
            reconciled: false,
        }
    }

    /// The rules that do not hold.
    pub(super) fn broken(&self) -> Vec<Rule> {
        let findings = self.findings().into_iter();
        findings
            .filter(|finding| !finding.holds())
            .map(|finding| finding.rule)
            .collect()
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        check(&Evidence {
            calls: &self.calls,
            stores: &self.stores,
            watch: &self.watch,
            declared: &self.declared,
            delay_ms: DELAY_MS,
            window_ms: self.window_ms,
            reconciled: self.reconciled,
        })
    }

    pub(super) fn order(&mut self, id: &str) -> &mut Order {
        self.stores.orders.get_mut(id).unwrap()
    }

    pub(super) fn product(&mut self) -> &mut Product {
        self.stores.products.get_mut(THING).unwrap()
    }

    /// Removes an order from the store of payments, as a crash does that loses the last writes.
    pub(super) fn forget(&mut self, id: &str) {
        self.stores.orders.remove(id);
        self.stores
            .completed
            .entries
            .retain(|event| event.order != id);
        self.stores.completed.added = self.stores.completed.entries.len() as u64;
        self.stores.account = None;
    }

    pub(super) fn crash(&mut self, at_ms: u64) {
        let at = Duration::from_millis(at_ms);
        self.declared.crashes.push(Crash {
            store: Owner::Payments,
            at,
            over: at,
        });
    }

    pub(super) fn trim(&mut self, id: &str, unread: bool) {
        self.stores
            .completed
            .entries
            .retain(|event| event.order != id);
        let order = id.to_owned();
        self.declared.trimmed.push(Trimmed {
            store: Owner::Payments,
            order,
            unread,
        });
    }
}

/// A call that was sent at 0 ms and succeeded at 10 ms.
fn call(op: Op, intent: u32, product: &str) -> Call {
    Call {
        op,
        request: format!("request-{intent}"),
        intent,
        product: product.to_owned(),
        quantity: 1,
        ended: Duration::from_millis(10),
        outcome: Outcome::Ok,
        status: 200,
        ..Call::default()
    }
}

fn place(id: &str, intent: u32) -> Call {
    Call {
        order: Some(seen(id, "pending")),
        status: 201,
        ..call(Op::Place, intent, THING)
    }
}

fn shop(op: Op, intent: u32) -> Call {
    call(op, intent, THING)
}

/// A call about an order that ended at this time.
pub(super) fn about(op: Op, id: &str, status: &str, ended_ms: u64) -> Call {
    let (invoked, ended) = (
        Duration::from_millis(ended_ms - 5),
        Duration::from_millis(ended_ms),
    );
    let order = Some(seen(id, status));
    Call {
        invoked,
        ended,
        order,
        ..call(op, 50, id)
    }
}

fn seen(id: &str, status: &str) -> SeenOrder {
    SeenOrder {
        id: id.to_owned(),
        status: status.to_owned(),
        fixed: format!("all of {id}"),
    }
}

/// 2.50, and a fee of 0.50.
fn order(id: &str, intent: u32) -> (String, Order) {
    let status = id.trim_start_matches("order-").to_owned();
    let at = |condition: bool, time| condition.then_some(time);
    let order = Order {
        product: THING.to_owned(),
        quantity: 1,
        price: 250,
        fee: 50,
        total: 300,
        request: format!("request-{intent}"),
        created_at: 1_000,
        paid_at: at(id != CANCELLED, 1_300),
        cancelled_at: at(id == CANCELLED, 1_200),
        refunded_at: at(id == REFUNDED, 1_400),
        status,
    };
    (id.to_owned(), order)
}

fn event(order: &str, entry: &str) -> Event {
    Event {
        entry: entry.to_owned(),
        order: order.to_owned(),
        product: THING.to_owned(),
        quantity: 1,
        total: 300,
        poison: false,
    }
}

fn poison(entry: &str) -> Event {
    Event {
        entry: entry.to_owned(),
        poison: true,
        ..Event::default()
    }
}

fn stream(entries: Vec<Event>) -> Stream {
    let last = entries.last().unwrap().entry.clone();
    let groups = ["inventory-group", "payment-group"];
    let groups = groups
        .map(|name| (name.to_owned(), (0, last.clone())))
        .into();
    Stream {
        added: entries.len() as u64,
        entries,
        last,
        groups,
    }
}

fn product() -> Product {
    let movement = |entry: &str, kind: &str, delta, balance| Movement {
        entry: entry.to_owned(),
        kind: kind.to_owned(),
        delta,
        balance,
        ..Movement::default()
    };
    let restocked = Movement {
        note: Some(note(RESTOCK)),
        ..movement("11-0", "restock", 1, 1)
    };
    let sold = Movement {
        order: Some(PAID.to_owned()),
        ..movement("12-0", "sale", -1, 0)
    };
    let movements = vec![movement("10-0", "created", 0, 0), restocked, sold];
    Product {
        stock: Some(0),
        deleted: false,
        movements,
    }
}
