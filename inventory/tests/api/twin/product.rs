//! Products and records as the twin knows them.

use inventory::domain::{Decision, MovementKind};
use shared::contract::id::{OrderId, ProductId};

/// A product or its tombstone, with its movements.
pub(crate) struct Listed {
    pub(crate) product: Result<Product, Deleted>,
    pub(crate) movements: Vec<Movement>,
}

#[derive(Clone)]
pub(crate) struct Product {
    pub(crate) name: String,
    pub(crate) sort_name: String,
    pub(crate) price: String,
    pub(crate) quantity: u32,
    pub(crate) version: u64,
    pub(crate) created: usize,
    pub(crate) updated: usize,
}

pub(crate) struct Deleted {
    pub(crate) at: usize,
}

pub(crate) struct Movement {
    pub(crate) kind: MovementKind,
    pub(crate) delta: i64,
    pub(crate) balance: u32,
    pub(crate) order: Option<OrderId>,
    pub(crate) note: Option<String>,
}

/// The record of an order, and the hour of the key that has it.
pub(crate) struct Recorded {
    pub(crate) hour: u64,
    pub(crate) decision: Decision,
    /// The movement that took the stock, also after the stock was given back.
    pub(crate) movement: Option<(ProductId, usize)>,
    /// Whether the order gave its stock back.
    pub(crate) released: bool,
}

impl Product {
    pub(super) fn changed(&mut self, step: usize) {
        self.version += 1;
        self.updated = step;
    }
}

impl Movement {
    pub(super) fn by_hand(
        kind: MovementKind,
        before: u32,
        balance: u32,
        note: Option<String>,
    ) -> Self {
        let delta = i64::from(balance) - i64::from(before);
        Self {
            kind,
            delta,
            balance,
            order: None,
            note,
        }
    }
}
