//! Products and stock: what they are, and what they may be. No I/O.

use std::str::FromStr;

use shared::event::RefundReason;
use shared::id::ProductId;
use shared::money::Money;
use shared::time::Timestamp;

/// Most characters of a product name.
pub const MAX_NAME_CHARS: usize = 200;
/// Most pieces of one product.
pub const MAX_STOCK: u32 = 1_000_000_000;

/// The name of a product: 1 to [`MAX_NAME_CHARS`] characters, no control characters, not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName(String);

/// The text cannot name a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have between 1 and 200 characters, not only spaces and no control characters")]
pub struct InvalidName;

/// A product that does not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewProduct {
    /// What it is called.
    pub name: ProductName,
    /// What one piece costs.
    pub price: Money,
    /// Pieces on hand, at most [`MAX_STOCK`].
    pub quantity: u32,
}

/// A product in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// What it is called.
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

/// What becomes of a paid order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its stock is taken.
    Applied,
    /// It is to be refunded.
    Rejected(RefundReason),
    /// It was decided before. The recorded answer stands, and was given again.
    Repeated(Decision),
    /// It is older than decisions are remembered: nobody can tell whether it was applied.
    TooOld,
}

/// A decision on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Its stock was taken.
    Applied,
    /// It was to be refunded.
    Rejected(RefundReason),
}

impl Product {
    /// A new product, as it stands right after its creation.
    pub fn created(id: ProductId, new: NewProduct, at: Timestamp) -> Self {
        let NewProduct { name, price, quantity } = new;
        Self { id, name, price, quantity, version: 1, created_at: at, updated_at: at }
    }
}

/// The rule of stock, stated once more beside `lua/apply_orders.lua`, which executes it: an order
/// is applied when there is such a product with enough on hand, and stock never goes below zero.
/// Tests hold the two together.
pub fn decide(on_hand: Option<u32>, wanted: u32) -> (Decision, Option<u32>) {
    match on_hand {
        None => (Decision::Rejected(RefundReason::ProductNotFound), None),
        Some(on_hand) => match on_hand.checked_sub(wanted) {
            None => (Decision::Rejected(RefundReason::InsufficientStock), Some(on_hand)),
            Some(left) => (Decision::Applied, Some(left)),
        },
    }
}

impl ProductName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProductName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let name = text.trim();
        // White space around the name counts as well: the schema in the API document cannot trim.
        let fits = text.chars().count() <= MAX_NAME_CHARS && !text.chars().any(char::is_control);
        if fits && !name.is_empty() { Ok(Self(name.to_owned())) } else { Err(InvalidName) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_never_blank() {
        assert_eq!("  Tea  ".parse::<ProductName>().unwrap().as_str(), "Tea");
        let long = "é".repeat(MAX_NAME_CHARS);
        assert_eq!(long.parse::<ProductName>().unwrap().as_str(), long);
        for text in ["", "   ", "a\nb", "a\n", "a\0b", &"x".repeat(MAX_NAME_CHARS + 1)] {
            assert_eq!(text.parse::<ProductName>(), Err(InvalidName), "{text:?}");
        }
    }

    #[test]
    fn stock_is_taken_only_while_there_is_enough() {
        let short = Decision::Rejected(RefundReason::InsufficientStock);
        let gone = Decision::Rejected(RefundReason::ProductNotFound);
        assert_eq!(decide(Some(5), 5), (Decision::Applied, Some(0)));
        assert_eq!(decide(Some(5), 6), (short, Some(5)));
        assert_eq!(decide(None, 1), (gone, None));
    }
}
