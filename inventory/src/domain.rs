//! Products and stock: what they are, and what they may be. No I/O.

use shared::contract::event::RefundReason;
use shared::contract::id::ProductId;
use shared::contract::money::Money;
use shared::contract::time::Timestamp;

mod audit;
mod characters;
mod movement;
mod text;

pub use audit::{Flaw, OrderRecord, Release, StockLedger};
pub use characters::{FORBIDDEN, INVISIBLE};
pub use movement::{Adjustment, Cause, Movement, MovementKind};
pub use text::{InvalidText, MAX_TEXT_CHARS, NamePrefix, Note, ProductName};

/// A product that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// The name.
    pub name: ProductName,
    /// What one piece costs.
    pub price: Money,
    /// Pieces on hand, at most [`MAX_STOCK`].
    pub quantity: u32,
}

/// The changes of a product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProductPatch {
    /// Another name.
    pub name: Option<ProductName>,
    /// Another price.
    pub price: Option<Money>,
}

/// The outcome of a change to a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The product as it stands after the change.
    Done(Product),
    /// There is no such product.
    NotFound,
    /// The condition of the client does not admit its version.
    OtherVersion,
    /// The product would have more than [`MAX_STOCK`] pieces.
    TooMany,
}

/// The outcome of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Deleted,
    /// There is no such product.
    NotFound,
    /// The condition of the client does not admit its version.
    OtherVersion,
}

/// Which products are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only products whose name begins with this.
    pub prefix: Option<NamePrefix>,
    /// `true`: only products with pieces on hand. `false`: only products without.
    pub in_stock: Option<bool>,
}

/// The order in which products are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// The newest first.
    Newest,
    /// By name, without regard to case.
    Name,
}

/// A product in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The name.
    pub name: ProductName,
    /// What one piece costs.
    pub price: Money,
    /// Pieces on hand.
    pub quantity: u32,
    /// Counts its changes, from 1.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The answer of `apply_orders` about one paid order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// Its stock is taken.
    Applied,
    /// It is to be refunded.
    Rejected(RefundReason),
    /// It is on record. The recorded answer was given again.
    Repeated(Decision),
    /// It is older than the records that are kept, so it may have been applied before.
    TooOld,
    /// The time inside its id is more than a day ahead of the store.
    TooNew,
}

/// A decision about an order, as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its stock was taken.
    Applied,
    /// It was to be refunded.
    Rejected(RefundReason),
}

/// Most pieces of one product.
pub const MAX_STOCK: u32 = 1_000_000_000;

impl Product {
    /// A new product, as it stands right after its creation.
    pub fn created(id: ProductId, new: NewProduct, at: Timestamp) -> Self {
        let NewProduct {
            name,
            price,
            quantity,
        } = new;
        Self {
            id,
            name,
            price,
            quantity,
            version: 1,
            created_at: at,
            updated_at: at,
        }
    }
}

impl Filter {
    /// Whether this product is listed.
    pub fn admits(&self, product: &Product) -> bool {
        let prefix = self
            .prefix
            .as_ref()
            .is_none_or(|prefix| prefix.begins(&product.name));
        prefix
            && self
                .in_stock
                .is_none_or(|wanted| wanted == (product.quantity > 0))
    }
}

/// The rule of stock: an order is applied when there is such a product with enough pieces on hand.
/// Stock never goes below zero. `lua/apply_orders.lua` executes the rule; here it is stated once
/// more, and tests hold the two together.
pub fn decide(on_hand: Option<u32>, wanted: u32) -> (Decision, Option<u32>) {
    match on_hand {
        None => (Decision::Rejected(RefundReason::ProductNotFound), None),
        Some(on_hand) => match on_hand.checked_sub(wanted) {
            None => (
                Decision::Rejected(RefundReason::InsufficientStock),
                Some(on_hand),
            ),
            Some(left) => (Decision::Applied, Some(left)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_is_taken_only_while_there_is_enough() {
        let short = Decision::Rejected(RefundReason::InsufficientStock);
        let gone = Decision::Rejected(RefundReason::ProductNotFound);
        assert_eq!(decide(Some(5), 5), (Decision::Applied, Some(0)));
        assert_eq!(decide(Some(5), 6), (short, Some(5)));
        assert_eq!(decide(None, 1), (gone, None));
    }
}
