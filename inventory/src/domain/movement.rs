//! Movements: why the stock is what it is.

use std::str::FromStr;

use shared::contract::entry_id::EntryId;
use shared::contract::id::OrderId;

use super::{MAX_STOCK, Note};

/// A change of stock by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// What happened.
    pub cause: Cause,
    /// Pieces that arrived, or that were counted.
    pub quantity: u32,
    /// The reason, in the words of the operator.
    pub note: Option<Note>,
}

/// Why an operator changes a stock by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Pieces arrived.
    Restock,
    /// An operator counted the pieces.
    Stocktake,
}

/// Something that changed the stock of a product, or confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The id of its entry in the stream of movements. The id also tells the time.
    pub id: EntryId,
    /// The kind of movement.
    pub kind: MovementKind,
    /// The change of the stock in pieces; negative where pieces left it.
    pub delta: i64,
    /// Pieces on hand after it.
    pub balance: u32,
    /// The order that was sold, or whose stock came back.
    pub order_id: Option<OrderId>,
    /// The reason, in the words of the operator.
    pub note: Option<Note>,
}

/// What changes a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    /// The product was created with its first stock.
    Created,
    /// Pieces arrived.
    Restock,
    /// An order was sold.
    Sale,
    /// An operator counted the pieces.
    Stocktake,
    /// The stock of an order came back.
    Release,
    /// The product was deleted.
    Deleted,
}

/// There is no such kind of movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a kind of movement")]
pub struct UnknownKind;

impl Adjustment {
    /// The stock after the adjustment; `None` when the product would have too many pieces.
    /// `lua/adjust_stock.lua` executes this rule; here it is stated once more, and tests hold the
    /// two together.
    pub fn balance(&self, on_hand: u32) -> Option<u32> {
        let balance = match self.cause {
            Cause::Restock => on_hand.checked_add(self.quantity)?,
            Cause::Stocktake => self.quantity,
        };
        (balance <= MAX_STOCK).then_some(balance)
    }
}

impl Cause {
    /// The kind of movement that it adds to the ledger.
    pub fn kind(self) -> MovementKind {
        match self {
            Self::Restock => MovementKind::Restock,
            Self::Stocktake => MovementKind::Stocktake,
        }
    }
}

impl MovementKind {
    const ALL: [Self; 6] = [
        Self::Created,
        Self::Restock,
        Self::Sale,
        Self::Stocktake,
        Self::Release,
        Self::Deleted,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Restock => "restock",
            Self::Sale => "sale",
            Self::Stocktake => "stocktake",
            Self::Release => "release",
            Self::Deleted => "deleted",
        }
    }
}

impl FromStr for MovementKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(UnknownKind)
    }
}
