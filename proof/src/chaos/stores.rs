//! The two stores: the stream of each, the readers of the stream, and the operators.

use std::sync::Arc;

use anyhow::Result;

use stack::operator::Operator;
use stack::redis::Owner;
use stack::system::System;

/// A field that marks the poison entries of the harness.
pub(super) const POISON_MARK: &str = "chaos_mark";

/// The operators of both stores.
#[derive(Clone)]
pub(super) struct Operators {
    pub(super) inventory: Arc<Operator>,
    pub(super) payments: Arc<Operator>,
}

/// A stream and its reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    pub(super) key: &'static str,
    pub(super) group: &'static str,
    pub(super) consumers: [&'static str; 2],
}

impl Operators {
    pub(super) fn of(system: &System) -> Result<Self> {
        Ok(Self {
            inventory: Arc::new(Operator::of(system.inventory_redis())?),
            payments: Arc::new(Operator::of(system.payments_redis())?),
        })
    }

    pub(super) fn to(&self, store: Owner) -> &Operator {
        match store {
            Owner::Inventory => &self.inventory,
            Owner::Payments => &self.payments,
        }
    }
}

/// The stream that lies in a store.
pub(super) fn stream(store: Owner) -> Stream {
    match store {
        Owner::Inventory => Stream {
            key: "refund_order",
            group: "payment-group",
            consumers: ["payments consume", "payments consume 2"],
        },
        Owner::Payments => Stream {
            key: "order_completed",
            group: "inventory-group",
            consumers: ["inventory consume", "inventory consume 2"],
        },
    }
}
